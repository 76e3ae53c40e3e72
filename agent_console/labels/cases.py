"""What the codes of a case are called on screen."""

from hotline.cases.next_steps import Step, StepKind
from models import (
    CallbackSafety,
    CaseStatus,
    Contact,
    Direction,
    Disposition,
    Outcome,
    Transcript,
)
from web.i18n import gettext as _
from web.templating import length_of

# One key for each, shown on its button; they act on the newest call that nobody has described yet.
DISPOSITION_KEYS = {
    Disposition.SUBSTANTIVE: "1",
    Disposition.INFORMATION: "2",
    Disposition.FOLLOW_UP: "3",
    Disposition.TEST: "4",
    Disposition.SILENT: "5",
    Disposition.WRONG_NUMBER: "6",
    Disposition.ABUSIVE: "7",
}


def status_word(of: CaseStatus | str) -> str:
    """Where a case stands, as people say it."""
    return {
        CaseStatus.NEW: _("New"),
        CaseStatus.TRIAGED: _("Triaged"),
        CaseStatus.ASSESSED: _("Assessed"),
        CaseStatus.ACTIVE: _("Active"),
        CaseStatus.WITH_SUPPLIER: _("With supplier"),
        CaseStatus.REFERRED: _("Referred"),
        CaseStatus.REMEDY_PROPOSED: _("Remedy proposed"),
        CaseStatus.WORKER_VERIFICATION: _("Worker verification"),
        CaseStatus.RESOLVED: _("Resolved"),
        CaseStatus.CLOSED: _("Closed"),
    }[CaseStatus(of)]


def outcome_word(of: Outcome | str | None) -> str:
    """How a call ended, as people say it."""
    if not of:
        return _("On the line")
    return {
        Outcome.ANSWERED: _("Answered"),
        Outcome.VOICEMAIL: _("Voicemail"),
        Outcome.ABANDONED_IN_MENU: _("Left in the menu"),
        Outcome.ABANDONED_IN_QUEUE: _("Left the queue"),
        Outcome.CALLBACK_REQUESTED: _("Call-back asked for"),
        Outcome.FAILED: _("Call broke"),
        Outcome.NOT_REACHED: _("Not reached"),
    }[Outcome(of)]


def call_word(contact: Contact) -> str:
    """What the line saw of a call, and whether it was ours."""
    if contact.direction is Direction.INBOUND:
        return outcome_word(contact.outcome)
    if contact.outcome is None:
        return _("We call back")
    return _("We called: %(outcome)s") % {"outcome": outcome_word(contact.outcome).lower()}


def disposition_word(disposition: Disposition | str) -> str:
    """What a person said a call was."""
    return {
        Disposition.SUBSTANTIVE: _("Substantive"),
        Disposition.INFORMATION: _("Information"),
        Disposition.FOLLOW_UP: _("Follow-up"),
        Disposition.TEST: _("Test"),
        Disposition.SILENT: _("Silent"),
        Disposition.WRONG_NUMBER: _("Wrong number"),
        Disposition.ABUSIVE: _("Abusive"),
    }[Disposition(disposition)]


def callback_word(callback: CallbackSafety) -> str:
    """Whether the caller may be called back."""
    return {
        CallbackSafety.UNKNOWN: _("Unknown: do not dial"),
        CallbackSafety.SAFE: _("Safe"),
        CallbackSafety.UNSAFE: _("Unsafe: do not dial"),
        CallbackSafety.NEVER: _("Never"),
    }[callback]


def phone_owners() -> dict[str, str]:
    """Whose phone it is."""
    return {"own": _("Their own"), "shared": _("Shared"), "employer": _("The employer's")}


def messages() -> dict[str, str]:
    """What may be left or sent."""
    return {"none": _("None"), "neutral": _("Neutral only")}


def drops() -> dict[str, str]:
    """What to do when the line drops."""
    return {"wait": _("Wait, do not dial"), "we_call_back": _("We call back")}


def with_unknown(options: dict[str, str]) -> list[tuple[str, str]]:
    """The same as a choice, with what was not asked first."""
    return [("", _("Unknown")), *options.items()]


def callbacks() -> list[tuple[str, str]]:
    """All that can be said about a call-back."""
    return [(callback, callback_word(callback)) for callback in CallbackSafety]


def outcome_kind(outcome: Outcome | None) -> str:
    """The colour of an outcome's chip."""
    if outcome is Outcome.ANSWERED:
        return "green"
    if outcome is Outcome.VOICEMAIL:
        return "blue"
    return "accent" if outcome is Outcome.CALLBACK_REQUESTED else "amber" if outcome else ""


def engine_word(transcript: Transcript) -> str:
    """The engine and its model, without what they all say."""
    model = transcript.model.removeprefix(f"{transcript.engine}-").removeprefix("model-")
    return f"{transcript.engine.capitalize()} {model}".strip()


def untitled(call: Contact | None, *, needs_listener: bool) -> str:
    """Return what stands in for a title that nobody has given yet, by the newest call of the case."""
    if call is None:
        return _("No title yet")
    if call.outcome is Outcome.VOICEMAIL and needs_listener:
        return _("Voicemail, needs a listener")
    if call.outcome is Outcome.ABANDONED_IN_QUEUE:
        return _("Caller left the queue after %(wait)s") % {"wait": length_of(call.wait_s)}
    return {
        None: _("A call that goes on"),
        Outcome.ANSWERED: _("Answered call, no title yet"),
        Outcome.VOICEMAIL: _("Voicemail, no title yet"),
        Outcome.ABANDONED_IN_MENU: _("Caller left in the menu"),
        Outcome.CALLBACK_REQUESTED: _("A call-back is asked for"),
        Outcome.FAILED: _("The line failed this caller"),
        Outcome.NOT_REACHED: _("We called back and reached nobody"),
    }[call.outcome]


def closing_reasons() -> list[str]:
    """Reasons that come up often; any other can be typed."""
    return [_("needs met"), _("lost contact"), _("withdrawn"), _("out of scope"), _("duplicate")]


def reason_word(reason: str) -> str:
    """Why a case was closed, where the machine or a disposition said so."""
    if reason == "brief_abandon":
        return _("hung up within seconds, no key pressed")
    return disposition_word(reason) if reason in set(Disposition) else reason


def step_words(step: Step, hours: str = "", *, now_is_the_time: bool = True) -> tuple[str, str]:
    """A next step, and why or how. `hours` are those of a safe call-back, and whether it is one of them."""
    said = (
        _("the worker said it is safe")
        if now_is_the_time
        else _("the worker said it is safe, but not at this hour: do not dial now")
    )
    return {
        StepKind.SUPERVISOR: (_("Supervisor now"), _("in danger: within 15 minutes, no supervisor has taken it yet")),
        StepKind.CLAIM: (_("Claim it"), _("nobody has this case yet")),
        StepKind.LISTEN: (_("Listen to the message"), _("a person has not heard it to the end yet")),
        StepKind.ASK_SAFETY: (_("Ask about safety"), _("what is not asked is unknown, and unknown is never dialled")),
        StepKind.CALL_BACK: (_("Call back %(hours)s") % {"hours": hours}, said),
        StepKind.ASK_AGAIN: (_("Do not dial"), _("it was safe once, but that is too old: ask again when they call")),
        StepKind.DO_NOT_DIAL: (_("Do not dial"), _("nobody knows yet whether a call-back is safe")),
        StepKind.SAY_WHAT_IT_WAS: (_("Say what the call was"), _("one key is enough")),
        StepKind.SUMMARISE: (_("Give the case a title"), _("one line, in our words")),
    }[step.kind]
