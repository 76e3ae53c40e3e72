"""Names that Asterisk's dialplan and our processes share: channel variables, globals, labels, queues and files."""

import re
from pathlib import Path

# Channel variables. CALL is inherited by the agents' legs and is on AMI events as ChanVariable.
CALL = "FREELINE_CALL"
# On every leg that we called ourselves, and on AMI events too: the party's own id, or one of the words below. The worker's
# channel of a call that came in has none; nor has the leg of an agent who was rung for it.
LEG = "FREELINE_LEG"
LEG_WORKER = "worker"  # the worker, when we called them
LEG_RECORDER = "recorder"
LEG_MOBILE = "mobile"  # the phone behind an agent's Local leg
LEGS_OF_NO_PARTY = {"", LEG_WORKER, LEG_RECORDER, LEG_MOBILE}
# A Local channel has two ends: the nearer is who talks, the further stands behind it.
BEHIND = ";2"
# Set by telephony.operator.operator on the legs that it moves or calls. The first two and FREELINE_PARTY name a channel and
# a leg.
CALLER_CHANNEL = "FREELINE_CALLER"  # the worker's channel, on every leg of the conversation
LEAD = "FREELINE_LEAD"  # the channel of the agent who leads, while somebody is held
AGENT = "FREELINE_AGENT"  # the interface of the agent who leads: rung again when their line breaks off
PARTY = "FREELINE_PARTY"  # becomes LEG in the room
ROOM = "FREELINE_ROOM"  # the call, where CALL must not be yet
DIAL = "FREELINE_DIAL"  # a number outside
RING = "FREELINE_RING"  # interfaces with & between
FILE = "FREELINE_FILE"  # of a recording, in the spool, without .sln
TALK_FILES = "FREELINE_TALK_FILES"  # on the worker's channel: how many recordings this conversation has
RECORDS = "FREELINE_RECORDS"  # on the worker's channel: "1" while they have agreed and recording was not stopped
LINE = "FREELINE_LINE"
NUMBER = "FREELINE_NUMBER"  # digits and +, empty when withheld; CALLERID(num) is wiped before an agent is rung
ARRIVED = "FREELINE_ARRIVED"  # whole epoch seconds
LIMIT = "FREELINE_LIMIT"  # seconds that a script may take from its first word; until then far fewer
DONE = "FREELINE_DONE"  # the script's name, set last by the script; anything else means that it failed
WAY = "FREELINE_WAY"
QUEUE = "FREELINE_QUEUE"  # language code; set by choose_language as soon as the caller has chosen
MAX_PENALTY = "FREELINE_MAX_PENALTY"
RECORDING = "FREELINE_RECORDING"  # "1" from just before Record, RECORDED after it: then the net does not ask again
RECORDED = "2"
CHOICE = "FREELINE_CHOICE"
QUEUE_STATUS = "QUEUESTATUS"  # app_queue's own: TIMEOUT, LEAVEEMPTY, JOINEMPTY, CONTINUE, ...
RECORD_STATUS = "RECORD_STATUS"

# Values of WAY, set by route and after_queue. WAY_END hangs up: the script has said goodbye.
WAY_QUEUE = "queue"
WAY_MESSAGE = "message"
WAY_END = "end"

# Values of CHOICE, set by the digit that left the queue; empty when the queue ended by itself.
CHOICE_CALLBACK = "callback"
CHOICE_MESSAGE = "message"

# Globals of the dialplan, rendered from the settings and the menu.
TOKEN = "FREELINE_TOKEN"  # noqa: S105  (a name)
AGI = "FREELINE_AGI"  # host:port
SOUNDS = "FREELINE_SOUNDS"
SPOOL = "FREELINE_SPOOL"
KEY_PREFIX = "FREELINE_KEY_"  # FREELINE_KEY_1 = the code of the language on key 1
MENU = "FREELINE_MENU"  # invitation files joined by &, in the order of the menu
NO_KEY = "FREELINE_NO_KEY"  # the language of a caller who presses nothing
QUIET_KEY = "FREELINE_QUIET_KEY"
MOBILE_PREFIX = (
    "FREELINE_MOBILE_"  # FREELINE_MOBILE_7 = the number of agent 7's mobile; set by the console, never rendered
)
FAILED = "failed"  # after id and line in the channel's userfield, which its records have: nothing could be kept
# How many calls Asterisk refused because no sound could come of their offer, since it started; and how many of them the
# switchboard has kept. Asterisk's watchdog sets the first, the switchboard the second.
REFUSED = "FREELINE_REFUSED"
REFUSED_KEPT = "FREELINE_REFUSED_KEPT"
FULL = "FREELINE_FULL"  # "1" while no message can be kept; Asterisk's watchdog sets it
LINES = "FREELINE_LINES"  # the numbers of the database, with commas

# AGI scripts. A script, its file, its function and its label in [freeline] have one name.
ANSWER = "answer"
CHOOSE_LANGUAGE = "choose_language"
ROUTE = "route"
AFTER_QUEUE = "after_queue"
LEAVE_VOICEMAIL = "leave_voicemail"
PING = "ping"  # asked by the supervisor, never by the dialplan
SCRIPTS = (ANSWER, CHOOSE_LANGUAGE, ROUTE, AFTER_QUEUE, LEAVE_VOICEMAIL)

# Contexts and labels of the dialplan.
CONTEXT_TRUNK = "from-trunk"
CONTEXT_LINE = "freeline"
CONTEXT_QUEUE_EXIT = "queue-exit"
CONTEXT_NET = "net"
CONTEXT_AGENTS = "agents"
CONTEXT_CONFIRM = "confirm"  # Local/m<ID>@confirm/n: an agent's mobile, which takes the call with 1
CONTEXT_ROOM = "room"  # a conversation of more than two, or one that was held: ConfBridge, named by the call
CONTEXT_HELD = "held"
CONTEXT_SUMMON = "summon"
CONTEXT_CALL_BACK = "call-back"
CONTEXT_RECORDER = "recorder"
CONTEXT_NOBODY = "nobody"  # does not exist
EXTENSION = "call"
EXTENSION_TO_QUEUE = "to_queue"
EXTENSION_TO_AGENT = "to_agent"
EXTENSION_WORKER = "worker"
EXTENSION_AGENT = "agent"
EXTENSION_PARTY = "party"
EXTENSION_OUTSIDE = "outside"
EXTENSION_KEPT = "kept"
EXTENSION_RECORDER = "recorder"
LABEL_QUEUE = "queue"
LABEL_NET = "net"
ECHO_TEST = "echo"  # what an agent may dial from their phone, to hear themselves

# The INVITE that rings an agent carries the call's id, so that their page knows which call rings.
CALL_HEADER = "X-Freeline-Call"

# Why an agent's phone rings. The page answers BACK and CALL_BACK by itself: they were in the call, or pressed the button.
KIND_HEADER = "X-Freeline-Kind"
KIND_QUEUE = "queue"
KIND_BACK = "back"
KIND_TRANSFER = "transfer"
KIND_CONSULT = "consult"
KIND_EMERGENCY = "emergency"
KIND_CALL_BACK = "callback"

# PJSIP endpoints and transports.
TRUNK = "trunk"
CALLER = "caller"
REALM = "freeline"
TRANSPORT_UDP = "transport-udp"
TRANSPORT_WS = "transport-ws"

# AMI and ARI users; their passwords are in telephony.asterisk.secrets.
AMI_READER = "reader"
# The events it is sent; `EventReader` and the switchboard know no other.
EVENTS_HEARD = (
    "FullyBooted",
    "Newchannel",
    "Newstate",
    "Hangup",
    "DialBegin",
    "DialEnd",
    "BridgeEnter",
    "BridgeLeave",
    "MusicOnHoldStart",
    "QueueCallerJoin",
    "QueueCallerLeave",
    "QueueCallerAbandon",
    "QueueMemberStatus",
    "AgentConnect",
    "AgentRingNoAnswer",
)
AMI_WATCHER = "watcher"  # is told who was refused, and may do nothing
# The security events it is sent: an address that is no carrier's, and wrong passwords.
EVENTS_WATCHED = ("InvalidAccountID", "ChallengeResponseFailed", "InvalidPassword")
AMI_ACTOR = "actor"
ARI_USER = "freeline"

QUIET = "0"  # the key for "I cannot speak"
MOH_CLASS = "hold"
MOH_BACK = "back"  # with a language after it: the words that the line broke, then music
QUEUE_RULE = "backups"
CEL_FILE = "calls.json"


# A phone of their own, or their mobile behind a Local channel: as a member of a queue, a device or a channel.
_OURS = re.compile(rf"PJSIP/agent(\d+)(?:-[0-9a-f]+)?|Local/m(\d+)@{CONTEXT_CONFIRM}(?:/n|-[0-9a-f]+;[12])?")


def agent_interface(agent_id: int) -> str:
    """The queue member and dial string of an agent's phone."""
    return f"PJSIP/{agent_endpoint(agent_id)}"


def agent_of(interface: str) -> int | None:
    """The agent behind a queue member, a device or a channel; None when it is not one of ours."""
    found = _OURS.fullmatch(interface)
    return int(found[1] or found[2]) if found else None


def agent_endpoint(agent_id: int) -> str:
    """The PJSIP endpoint, auth and aor of an agent."""
    return f"agent{agent_id}"


def mobile_interface(agent_id: int) -> str:
    """The queue member that rings an agent's mobile and asks for 1."""
    return f"Local/m{agent_id}@{CONTEXT_CONFIRM}/n"


def agi_url(host: str, port: int, script: str) -> str:
    """Where the dialplan finds a script."""
    return f"agi://{host}:{port}/{script}"


def spool_sound(spool: Path, call: str) -> Path:
    """The message of a call: headerless 8 kHz 16-bit little-endian mono."""
    return spool / f"{call}.sln"


def spool_talk(spool: Path, call: str, number: int) -> Path:
    """A recording of a conversation, its first is number 1; the same sound as a message."""
    return spool / f"{call}.talk{number}.sln"


def spool_note(spool: Path, call: str) -> Path:
    """Return what the net wrote about a call: one JSON object a line, later lines fill in."""
    return spool / f"{call}.call"


def cel_path(asterisk: Path) -> Path:
    """Where Asterisk appends its channel events as JSON; `asterisk` is Settings.asterisk."""
    return asterisk / "log" / "cel-custom" / CEL_FILE
