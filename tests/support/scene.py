"""The steps of the operator's tests: who talks, who hears whom, and how a leg breaks off."""

import hashlib
from contextlib import ExitStack

from hotline.settings import Settings
from telephony import names
from telephony.clients.ami import Ami, AmiMessage
from telephony.clients.ari import Ari
from telephony.operator.legs import Legs, legs_of
from telephony.operator.operator import Operator
from telephony.softphone.phone import Phone, SoftphoneCall
from telephony.softphone.rtp import Audio
from tests.fakes.fake_ivr import FakeIvr, Line, Script
from tests.support.asterisk import AsteriskUnderTest
from tests.support.tones import heard_tones, tone
from tests.support.wait import until

LINE = "1800123456"
NUMBER = "0812345678"
SECRET = "a phone's secret"
# Each person's voice is a pitch.
WORKER, ALICE, BOB, SOFIA, OUTSIDE = 900, 1900, 650, 1150, 1650


class Stage:
    """An Asterisk, an operator, agents with phones, and callers."""

    def __init__(self, settings: Settings, asterisk: AsteriskUnderTest) -> None:
        self.settings, self.asterisk = settings, asterisk
        self.operator = Operator(settings)
        self._open = ExitStack()
        self._open.callback(self.operator.close)
        self.ami = Ami(
            (settings.ami_host, settings.ami_port), names.AMI_ACTOR, asterisk.running.secrets.ami_actor, timeout_s=20
        )
        self.ami.connect()
        self._open.callback(self.ami.close)

    def close(self) -> None:
        """Hang up all phones."""
        self._open.close()

    def agent(self, agent_id: int, queue: str = "") -> Phone:
        """A registered phone of an agent, in a queue when one is named."""
        name = names.agent_endpoint(agent_id)
        address = (self.settings.asterisk_http_host, self.settings.asterisk_http_port)
        digest = hashlib.md5(f"{name}:{names.REALM}:{SECRET}".encode()).hexdigest()
        Ari(address, names.ARI_USER, self.asterisk.running.secrets.ari).put_phone(agent_id, digest)
        phone = self._open.enter_context(Phone((self.settings.sip_host, self.settings.sip_port), name, SECRET))
        assert phone.register() == 200
        state = {"Action": "Getvar", "Variable": f"DEVICE_STATE({names.agent_interface(agent_id)})"}
        until(lambda: self.ami.send_action(state).get("Value") == "NOT_INUSE")
        if queue:
            self.join(names.agent_interface(agent_id), queue)
            until(lambda: self.asterisk.can_ring(names.agent_interface(agent_id)))
        return phone

    def join(self, interface: str, queue: str) -> None:
        """Put an interface into a queue."""
        self.ami.send_action({"Action": "QueueAdd", "Queue": queue, "Interface": interface})

    def caller(self) -> Phone:
        """Somebody on the trunk."""
        return self._open.enter_context(self.asterisk.phone())

    def talk(self, agent: Phone, caller: Phone | None = None) -> tuple[SoftphoneCall, SoftphoneCall]:
        """A call from the queue that this agent has answered: the worker's side and the agent's."""
        worker = (caller or self.caller()).call(LINE, from_number=NUMBER)
        rung = agent.wait_ring()
        assert rung is not None
        rung.answer()
        assert worker.wait_answered()
        hears(worker, rung, ALICE)
        return worker, rung

    @property
    def rows(self) -> list[AmiMessage]:
        """The channels now."""
        return self.ami.list_action({"Action": "CoreShowChannels"})

    @property
    def call(self) -> str:
        """The id of the one call there is."""
        (found,) = {row.variables.get(names.CALL) for row in self.rows if row.variables.get(names.CALL)}
        return found

    @property
    def legs(self) -> Legs:
        """The one call's legs."""
        return legs_of(self.rows, self.call)

    def legs_of(self, call: str) -> Legs:
        """A call's legs."""
        return legs_of(self.rows, call)

    def break_off(self, agent_id: int) -> None:
        """End an agent's leg from the middle, with the cause of a broken network."""
        leg = self.legs.agent(agent_id)
        assert leg is not None, "the agent must be in the call for this test to mean anything"
        self.ami.send_action({"Action": "Hangup", "Channel": leg.channel, "Cause": "44"})

    @property
    def where(self) -> str:
        """The state of each channel, and how its agent's leg ended, to explain a failed wait."""
        asked = ("SHARED(FREELINE_ENDED)", "HANGUPCAUSE", "CONFBRIDGE_RESULT")
        return "\n".join(
            " ".join(
                (row.get("Channel"), row.get("Context"), row.get("Exten"), row.get("Application"), row.get("Duration"))
            )
            + "".join(f" {name}={self._variable(row.get('Channel'), name)}" for name in asked)
            for row in self.rows
        )

    def _variable(self, channel: str, name: str) -> str:
        return self.ami.send_action({"Action": "Getvar", "Channel": channel, "Variable": name}).get("Value")

    def nothing_left(self) -> None:
        """Wait until no channel is up."""
        until(lambda: self.asterisk.channels == 0)


def ivr(settings: Settings, ways: dict[str, str] | None = None, *, heard: list[str] | None = None) -> FakeIvr:
    """An ivr that sends a caller to the Burmese queue, and a later one of another language where `ways` says."""
    there = {"my": "queue"} | (ways or {})

    def choose(line: Line) -> None:
        line.put("FREELINE_QUEUE", "my")
        line.done()

    def route(line: Line) -> None:
        language = line.variable("FREELINE_QUEUE")
        if heard is not None:
            heard.append(language)
        line.put("FREELINE_MAX_PENALTY", "0")
        line.put("FREELINE_WAY", there.get(language, "message"))
        line.done()

    scripts: dict[str, Script] = {"answer": Line.done, "choose_language": choose, "route": route}
    return FakeIvr(settings.agi_port, scripts)


def hears(ear: SoftphoneCall, mouth: SoftphoneCall, hz: int, within_s: float = 10.0) -> None:
    """Wait until one phone hears the sound that another sends from now on."""
    start = len(ear.audio.heard)
    say(mouth, hz)
    until(lambda: hz in heard_tones(ear.heard[start:]) or (mouth.audio.quiet and say(mouth, hz)), within_s)


def both_ways(one: tuple[SoftphoneCall, int], other: tuple[SoftphoneCall, int]) -> None:
    """Wait until each of two hears the other."""
    (a, a_hz), (b, b_hz) = one, other
    hears(b, a, a_hz)
    hush(a)
    hears(a, b, b_hz)
    hush(b)


def say(mouth: SoftphoneCall, hz: int) -> None:
    """Begin to say something."""
    mouth.say(tone(hz, 1.0))


def hush(mouth: SoftphoneCall) -> None:
    """Stop saying what was begun."""
    audio: Audio = mouth.audio
    audio._queued.clear()


def deaf(ear: SoftphoneCall, mouth: SoftphoneCall, hz: int) -> None:
    """Check that one phone hears nothing of a second of another's sound."""
    hush(mouth)
    start = len(ear.audio.heard)
    say(mouth, hz)
    mouth.wait_said()
    # A second longer than the sound, so that packets on their way have arrived.
    until(lambda: len(ear.audio.heard) - start > 8000 * 2 * 1.5)
    assert hz not in heard_tones(ear.heard[start:])


def header(call: SoftphoneCall, name: str) -> str:
    """A header of the INVITE that rang a phone."""
    assert call.invite is not None
    return call.invite.get(name)
