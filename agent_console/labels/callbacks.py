"""What is said of call-backs on screen: why, whether now, what came of it, and what to say to whoever answers."""

from typing import Any

from hotline.callbacks.attempts import DROPPED_AND_NOT_AGREED
from hotline.safety.gate import Reason, Refusal
from models import AttemptOutcome, CallbackEnd, CallbackKind
from web.i18n import gettext as _

# One key for each; none is a key of the bar, which asks its own questions after a call.
OUTCOME_KEYS = {
    AttemptOutcome.REACHED: "y",
    AttemptOutcome.NOBODY: "n",
    AttemptOutcome.MACHINE: "v",
    AttemptOutcome.SOMEBODY_ELSE: "a",
    AttemptOutcome.DROPPED: "f",
}


def kind_word(kind: CallbackKind) -> str:
    """Why the worker is to be called back."""
    return {
        CallbackKind.REQUESTED: _("asked for it"),
        CallbackKind.DROPPED: _("line dropped"),
        CallbackKind.MISSED: _("missed"),
        CallbackKind.ABANDONED: _("left waiting"),
    }[kind]


def kind_colour(kind: CallbackKind) -> str:
    """The colour of its chip; the word always stands in it."""
    return {CallbackKind.REQUESTED: "accent", CallbackKind.DROPPED: "amber", CallbackKind.MISSED: "blue"}.get(kind, "")


def outcome_word(outcome: AttemptOutcome | str) -> str:
    """What came of a try, on the button that says so."""
    return {
        AttemptOutcome.REACHED: _("Reached the worker"),
        AttemptOutcome.NOBODY: _("Nobody"),
        AttemptOutcome.MACHINE: _("A machine"),
        AttemptOutcome.SOMEBODY_ELSE: _("Somebody else"),
        AttemptOutcome.DROPPED: _("Line dropped"),
    }[AttemptOutcome(outcome)]


def outcome_rest(outcome: AttemptOutcome, *, we_call_back: bool) -> str:
    """What an outcome does, for the button's title."""
    if outcome is AttemptOutcome.DROPPED and not we_call_back:
        return _("Closes this call-back: the worker has not said that we may call again when the line drops")
    return {
        AttemptOutcome.REACHED: _("Closes this call-back"),
        AttemptOutcome.NOBODY: _("Try again later, inside the safe hours"),
        AttemptOutcome.MACHINE: _("Try again later, inside the safe hours"),
        AttemptOutcome.SOMEBODY_ELSE: _("Calling is unsafe from now on; this call-back closes"),
        AttemptOutcome.DROPPED: _("Call again: the worker said that we may"),
    }[outcome]


def refusal_words(refusal: Refusal) -> str:
    """Why the worker may not be called or written to now. When they may is said beside it."""
    who = {"about": refusal.about or "?"}
    return {
        Reason.ENDED: _("This call-back has ended."),
        Reason.WITHHELD: _("The number is withheld or not certain."),
        Reason.NUMBER_DOUBTFUL: _("It is not certain whose number this is. Do not dial; wait for a call."),
        Reason.NUMBER_BARRED: _("The number is of another country or of a special rate, and is not allowed."),
        Reason.NEVER: _("The worker said never to call back."),
        Reason.UNSAFE: _("It is unsafe to contact the worker."),
        Reason.OTHER_CASE_UNSAFE: _("Case %(about)s has the same telephone, and there contact is unsafe.") % who,
        Reason.OTHER_TELEPHONE: _("What this case knows about safety was said of another telephone."),
        Reason.UNKNOWN: _("Nobody knows whether contact is safe for the worker. Do not dial."),
        Reason.CASE_CLOSED: _("The case is closed. Reopen it first, or close this call-back."),
        Reason.NOT_REVIEWED: _("Nobody has reviewed the worker's safety. Ask when they call again."),
        Reason.CLOCK_WRONG: _("The clock of this machine is wrong or was changed. Nothing goes out until it is right."),
        Reason.REVIEW_TOO_OLD: _("What the worker said about safety is too old. Ask again when they call."),
        Reason.WINDOW_UNREADABLE: _("The hours that the worker gave cannot be read. Write them down again."),
        Reason.DROP_NOT_AGREED: _("The line dropped, and the worker has not said that we may call back when it does."),
        Reason.NOT_AN_ANSWER: _("The worker has not written to us here, and we never write first."),
        Reason.MESSAGE_NOT_AGREED: _("The worker has not agreed to neutral messages."),
        Reason.CALLER_ON_LINE: _("This telephone is in a call with us now."),
        Reason.NOT_SAID: _("%(about)s called the worker and has not said yet what came of it.") % who,
        Reason.TRIES_USED_UP: _("Tried as often as is allowed. A supervisor decides."),
        Reason.LOCKED_BY_OTHER: _("%(about)s works on it.") % who,
        Reason.TOO_SOON: _("The worker was tried a short while ago."),
        Reason.OUTSIDE_WINDOW: _("Outside the worker's safe hours."),
    }[refusal.code]


# What time alone does not mend, and what somebody must not do: said in amber, never only in grey.
STOPS = {
    Reason.NEVER,
    Reason.UNSAFE,
    Reason.OTHER_CASE_UNSAFE,
    Reason.OTHER_TELEPHONE,
    Reason.NUMBER_DOUBTFUL,
    Reason.NUMBER_BARRED,
    Reason.UNKNOWN,
    Reason.CLOCK_WRONG,
    Reason.DROP_NOT_AGREED,
    Reason.MESSAGE_NOT_AGREED,
}


def is_stop(refusal: Refusal) -> bool:
    """Whether this is a warning, not a matter of time."""
    return refusal.code in STOPS


def owners(owner: str | None) -> str:
    """Whose phone rings there, when that is known and matters."""
    return {"shared": _("shared phone"), "employer": _("the employer's phone")}.get(owner or "", "")


def neutral_words() -> str:
    """What may be said to a machine, and to somebody else when the worker gave no phrase: nothing that tells who we are."""
    return _("Hello. I will call again another time. Goodbye.")


def wrong_number_words() -> str:
    """What is said to somebody else when the worker gave no phrase."""
    return _("Sorry, I have the wrong number. Goodbye.")


def closing_reasons() -> list[str]:
    """Reasons that come up often; any other can be typed."""
    return [_("not known to be safe"), _("they have called since"), _("handled another way"), _("wrong number")]


def told(detail: dict[str, Any]) -> tuple[str, str]:
    """A line of a case's timeline about a call-back: what happened, and the rest."""
    what, tries = str(detail.get("what", "")), detail.get("attempt")
    nth = _("try %(n)s") % {"n": tries} if tries else ""
    reason = str(detail.get("reason") or "")
    if what == "noted":
        kind = str(detail.get("why", ""))
        return _("To be called back"), kind_word(CallbackKind(kind)) if kind in set(CallbackKind) else ""
    if what in set(AttemptOutcome) - {AttemptOutcome.REACHED}:
        return _("Called back: %(outcome)s") % {"outcome": outcome_word(what).lower()}, nth
    return {
        "opened": (_("To be called back"), _("put on the list by hand")),
        "dialled": (_("Called the worker"), nth),
        "line_failed": (_("The line did not call the worker"), _("nothing rang")),
        "for_supervisor": (_("Call-back goes to a supervisor"), nth),
        CallbackEnd.REACHED: (_("Reached the worker"), _("the call-back is done")),
        CallbackEnd.REACHED_US: (_("The worker reached us"), _("the call-back is done")),
        CallbackEnd.UNSAFE: (_("Somebody else answered"), _("calling is unsafe from now on")),
        CallbackEnd.CLOSED: (_("Call-back closed"), closed_word(reason)),
    }.get(what, (_("Call-back"), ""))


def closed_word(reason: str) -> str:
    """Why a call-back was closed, where the machine said so."""
    if reason == DROPPED_AND_NOT_AGREED:
        return _("the line dropped, and the worker had not said that we may call back")
    return reason
