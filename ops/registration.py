"""Our registration with the carrier: its state in Asterisk, and the carrier's own answer to a probe."""

from hotline.errors import FreelineError
from hotline.settings import Settings
from telephony import names
from telephony.asterisk.process import ready as asterisk_ready
from telephony.asterisk.secrets import load_secrets
from telephony.clients.ami import Ami

REGISTERED, REJECTED = "Registered", "Rejected"
NONE, OK = "none", "ok"
SIP_PORT = 5060
NOT_REGISTERED = "not registered"
NO_ANSWER, BAD_PASSWORD, REFUSED = "nobody answers", "refused: user or password", "refused by the carrier"


def state(settings: Settings) -> str:
    """The state of our registration in Asterisk; empty when Asterisk cannot be asked here.

    Asterisk reports Rejected for a carrier that does not answer, too.
    """
    if not asterisk_ready(settings):
        return ""
    try:
        word = load_secrets(settings).ami_reader
        ami = Ami((settings.ami_host, settings.ami_port), names.AMI_READER, word, timeout_s=5.0)
        ami.connect()
        try:
            rows = ami.list_action({"Action": "PJSIPShowRegistrationsOutbound"})
        finally:
            ami.close()
    except FreelineError:
        return ""
    return next((row.get("Status") for row in rows if row.event == "OutboundRegistrationDetail"), "")


def word(settings: Settings) -> str:
    """The trunk in a few words for `freeline status`: `none` without a registration, `ok`, or why there is none."""
    if not (settings.trunk_host and settings.trunk_user):
        return NONE
    found = state(settings)
    if found == REGISTERED:
        return OK
    if found == REJECTED and settings.apart:
        return f"{REFUSED}, or {NO_ANSWER}"  # the container that reports the state has no way out to ask
    return why(settings) if found == REJECTED else NOT_REGISTERED


def refused(found: str) -> bool:
    """Return whether this word of the trunk means that no call of the carrier arrives."""
    return found == NO_ANSWER or found.startswith("refused")


def why(settings: Settings) -> str:
    """Probe the carrier, without changing anything there: whether it answers, or why it refuses us."""
    from ops.doctor import probes  # loads the probes of STUN and TURN too, and is needed only here

    host, _, port = settings.trunk_host.partition(":")
    try:
        status, challenged = probes.register(
            host, int(port) if port.isdigit() else SIP_PORT, settings.trunk_user, settings.trunk_password
        )
    except probes.NoAnswer:
        return NO_ANSWER
    if 200 <= status < 300:
        return NOT_REGISTERED  # Asterisk was refused a moment ago: it retries
    return f"{BAD_PASSWORD} ({status})" if challenged or status in {401, 407} else f"{REFUSED} ({status})"
