"""Whether a worker may be called now, and when next. Pure rules: they are given facts and a moment, and touch nothing.

Whatever is not known, cannot be read or lies in the future refuses: a call not made can be made later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from hotline.safety.hours import Window, meant, safe_until
from models import CallbackKind, CallbackSafety, Contact, Outcome, Safety

# Clocks of two machines differ a little. What lies further in the future than this was written by a wrong clock.
CLOCK_SLACK = timedelta(minutes=1)
WE_CALL_BACK = "we_call_back"
NEUTRAL = "neutral"
_DAYS_AHEAD = 8


class Reason(StrEnum):
    """Why a worker may not be called, the weightiest first."""

    ENDED = "ended"
    WITHHELD = "withheld"
    NEVER = "never"
    UNSAFE = "unsafe"
    OTHER_CASE_UNSAFE = "other_case_unsafe"
    OTHER_TELEPHONE = "other_telephone"
    NUMBER_DOUBTFUL = "number_doubtful"
    NUMBER_BARRED = "number_barred"
    UNKNOWN = "unknown"
    CASE_CLOSED = "case_closed"
    NOT_REVIEWED = "not_reviewed"
    CLOCK_WRONG = "clock_wrong"
    REVIEW_TOO_OLD = "review_too_old"
    WINDOW_UNREADABLE = "window_unreadable"
    DROP_NOT_AGREED = "drop_not_agreed"
    CALLER_ON_LINE = "caller_on_line"
    NOT_SAID = "not_said"
    TRIES_USED_UP = "tries_used_up"
    LOCKED_BY_OTHER = "locked_by_other"
    TOO_SOON = "too_soon"
    OUTSIDE_WINDOW = "outside_window"


@dataclass(frozen=True)
class Refusal:
    """Why a worker may not be called now: a code, and a sentence for the agent, with times as the line's clock has them.

    `opens_at` is when she may be called if nothing else changes; None when time alone does not help. `about` is the
    colleague's name or the case's reference that the sentence has, for whoever says it in another language.
    """

    code: Reason
    sentence: str
    opens_at: datetime | None = None
    about: str | None = None


@dataclass(frozen=True)
class Facts:
    """All that decides about one call-back. `other_unsafe` names another case of this telephone that forbids calling.

    `latest` is the newest moment that was written down about it: no moment is later than now, unless a clock is wrong.
    `locked_by` is the name of a colleague who works on it until `locked_until`; None when it is free or the reader's own.
    """

    due_at: datetime
    safety: Safety | None = None
    ended: bool = False
    withheld: bool = False
    case_closed: bool = False
    other_unsafe: str | None = None
    other_telephone: bool = False
    dropped: bool = False
    on_line: bool = False
    unsaid_by: str | None = None
    tries_used_up: bool = False
    locked_by: str | None = None
    locked_until: datetime | None = None
    latest: datetime | None = None


def why_not(facts: Facts, at: datetime, zone: ZoneInfo, *, supervisor: bool = False) -> Refusal | None:
    """The first reason not to call this worker at this moment; None when she may be called.

    `supervisor`: used-up tries do not stop a supervisor. Raises ValueError for a moment without a time zone.
    """
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return _never_by_time(facts, at) or _busy(facts, supervisor=supervisor) or _not_yet(facts, at, zone)


def _never_by_time(facts: Facts, at: datetime) -> Refusal | None:
    """What no waiting mends."""
    if facts.ended:
        return Refusal(Reason.ENDED, "This call-back has ended.")
    if facts.withheld:
        return Refusal(Reason.WITHHELD, "The number is withheld or not certain.")
    safety = facts.safety
    callback = safety.callback if safety is not None else CallbackSafety.UNKNOWN
    if callback is CallbackSafety.NEVER:
        return Refusal(Reason.NEVER, "She said never to call her back.")
    if callback is CallbackSafety.UNSAFE:
        return Refusal(Reason.UNSAFE, "Calling her back is unsafe.")
    if facts.other_unsafe is not None:
        return Refusal(
            Reason.OTHER_CASE_UNSAFE,
            f"Case {facts.other_unsafe} has the same telephone, and there a call is unsafe. People share phones.",
            about=facts.other_unsafe,
        )
    if facts.other_telephone:
        return Refusal(
            Reason.OTHER_TELEPHONE, "What this case knows about safety was said of another telephone, not of this one."
        )
    if safety is None or callback is not CallbackSafety.SAFE:
        return Refusal(
            Reason.UNKNOWN, "Nobody knows whether a call is safe for her. Do not dial; close it with a reason."
        )
    if facts.case_closed:
        return Refusal(Reason.CASE_CLOSED, "Her case is closed. Reopen it first, or close this call-back.")
    return _review(facts, safety, at)


def _review(facts: Facts, safety: Safety, at: datetime) -> Refusal | None:
    """Whether what she said still counts."""
    until = safe_until(safety.window, safety.reviewed_at)
    if until is None or safety.reviewed_at is None:
        return Refusal(Reason.NOT_REVIEWED, "Nobody has reviewed her safety. Ask her when she calls again.")
    latest = max(safety.reviewed_at, facts.latest or safety.reviewed_at)
    if latest > at + CLOCK_SLACK:
        return Refusal(
            Reason.CLOCK_WRONG,
            "The clock of this machine is wrong or was changed. Nothing is dialled until it is right.",
        )
    if until <= at:
        days = (until - safety.reviewed_at).days
        return Refusal(
            Reason.REVIEW_TOO_OLD, f"Her safety was reviewed more than {days} days ago. Ask again when she calls."
        )
    if meant(safety.window) is None:
        return Refusal(Reason.WINDOW_UNREADABLE, "The hours she gave cannot be read. Write them down again.")
    if facts.dropped and safety.if_drops != WE_CALL_BACK:
        return Refusal(
            Reason.DROP_NOT_AGREED, "The line dropped, and she has not said that we may call back when it does."
        )
    return None


def _busy(facts: Facts, *, supervisor: bool) -> Refusal | None:
    """What people are doing about it now, or must do first."""
    if facts.on_line:
        return Refusal(Reason.CALLER_ON_LINE, "This telephone is in a call with us now.")
    if facts.unsaid_by is not None:
        return Refusal(
            Reason.NOT_SAID,
            f"{facts.unsaid_by} called her and has not said what came of it. That comes first.",
            about=facts.unsaid_by,
        )
    if facts.tries_used_up and not supervisor:
        return Refusal(Reason.TRIES_USED_UP, "She was tried as often as is allowed. A supervisor decides what is next.")
    if facts.locked_by is not None:
        words = f"{facts.locked_by} is working on this call-back."
        return Refusal(Reason.LOCKED_BY_OTHER, words, facts.locked_until, facts.locked_by)
    return None


def _not_yet(facts: Facts, at: datetime, zone: ZoneInfo) -> Refusal | None:
    """What waiting mends."""
    opens = opens_at(facts, at, zone)
    if facts.due_at > at:
        rest = f"Try her {_in_words(opens, at, zone)}." if opens else "What she said is too old before her next hours."
        return Refusal(Reason.TOO_SOON, f"It is too soon to try her again. {rest}", opens)
    if opens == at:
        return None
    if opens is None:
        return Refusal(
            Reason.OUTSIDE_WINDOW,
            "This is not one of her safe hours, and what she said is too old before the next one.",
        )
    return Refusal(
        Reason.OUTSIDE_WINDOW, f"This is not one of her safe hours. They begin {_in_words(opens, at, zone)}.", opens
    )


def opens_at(facts: Facts, at: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment from now on that is due, in her hours and still believed; `at` itself when it is one.

    None when there is none, or when no call-back is allowed at all. It says nothing about what people are doing.
    """
    if _never_by_time(facts, at) is not None or facts.safety is None:
        return None
    window = meant(facts.safety.window)
    until = safe_until(facts.safety.window, facts.safety.reviewed_at)
    opens = next_opening(window, max(at, facts.due_at), zone) if window is not None else None
    return opens if opens is not None and until is not None and opens < until else None


def next_opening(window: Window, at: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment from `at` on that lies in the window, which is in `zone`; None for a window that never opens."""
    local = at.astimezone(zone)
    if window.holds(local):
        return at
    for ahead in range(_DAYS_AHEAD + 1):
        start = datetime.combine(local.date() + timedelta(days=ahead), window.starts, zone)
        # There and back: where clocks go forward, an hour of the wall is missing.
        start = start.astimezone(at.tzinfo)
        if start > at and window.holds(start.astimezone(zone)):
            return start
    return None


def again_at(safety: Safety | None, at: datetime, zone: ZoneInfo, again_s: int) -> datetime:
    """When to try again after nobody was there: so many seconds later, moved into her hours."""
    later = at + timedelta(seconds=again_s)
    window = meant(safety.window) if safety is not None else None
    return (next_opening(window, later, zone) if window is not None else None) or later


def may_leave_message(safety: Safety | None) -> bool:
    """Whether a neutral message may be left on a machine: only if calling is safe and she agreed to one."""
    return safety is not None and safety.callback is CallbackSafety.SAFE and safety.message == NEUTRAL


def kind_of(contact: Contact) -> CallbackKind | None:
    """Why the caller of an ended call is to be called back; None when she was heard."""
    asked = contact.callback_at
    if asked is not None and (contact.answered_at is None or asked > contact.answered_at):
        return CallbackKind.REQUESTED
    if contact.outcome is Outcome.ANSWERED:
        if contact.dropped_at is not None:
            return CallbackKind.DROPPED
        # Answered once, sent on or lost, and nobody took her again.
        return CallbackKind.MISSED if contact.waits_again_at is not None else None
    if contact.outcome in {Outcome.VOICEMAIL, Outcome.FAILED}:
        return CallbackKind.MISSED
    return CallbackKind.ABANDONED


def more_pressing(one: CallbackKind, other: CallbackKind) -> CallbackKind:
    """The more pressing of two reasons to call back."""
    order = list(CallbackKind)
    return min(one, other, key=order.index)


def _in_words(moment: datetime, at: datetime, zone: ZoneInfo) -> str:
    local, here = moment.astimezone(zone), at.astimezone(zone)
    if local.date() == here.date():
        return f"today at {local:%H:%M}"
    if local.date() == here.date() + timedelta(days=1):
        return f"tomorrow at {local:%H:%M}"
    return f"on {local:%a} {local.day} {local:%b} at {local:%H:%M}"
