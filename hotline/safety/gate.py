"""Whether anything may go out to a worker now, on which way, and when next: calls, and messages in writing.

Pure rules: they are given facts and a moment, and touch nothing. The facts say the way: `CallFacts` or `MessageFacts`.
Whatever is not known, cannot be read or lies in the future refuses: what did not go out can go out later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from zoneinfo import ZoneInfo

from hotline.safety.hours import Window, meant, safe_until
from models import CallbackKind, CallbackSafety, Contact, Outcome, Safety

# Clocks of two machines differ a little. What lies further in the future than this was written by a wrong clock.
CLOCK_SLACK = timedelta(minutes=1)
WE_CALL_BACK = "we_call_back"
NEUTRAL = "neutral"
_DAYS_AHEAD = 8


class Reason(StrEnum):
    """Why nothing may go out to a worker, the weightiest first."""

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
    NOT_AN_ANSWER = "not_an_answer"
    MESSAGE_NOT_AGREED = "message_not_agreed"
    CALLER_ON_LINE = "caller_on_line"
    NOT_SAID = "not_said"
    TRIES_USED_UP = "tries_used_up"
    LOCKED_BY_OTHER = "locked_by_other"
    TOO_SOON = "too_soon"
    OUTSIDE_WINDOW = "outside_window"


@dataclass(frozen=True)
class Refusal:
    """Why nothing may go out now: a code, and a sentence for the agent, with times as the line's clock has them.

    `opens_at` is when it may if nothing else changes; None when time alone does not help. `about` is the colleague's name
    or the case's reference that the sentence has, for whoever says it in another language.
    """

    code: Reason
    sentence: str
    opens_at: datetime | None = None
    about: str | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts that decide on every way. A way has facts of its own, in a class of its own.

    `withheld`: there is no number or account, or it is not certain whose it is. `other_unsafe` names another case of this
    person's telephone that forbids contact; `other_telephone`: what is known was said of another telephone or account.
    `latest` is the newest moment that was written down about it: no moment is later than now, unless a clock is wrong.
    """

    what: ClassVar[str]
    safety: Safety | None = None
    withheld: bool = False
    case_closed: bool = False
    other_unsafe: str | None = None
    other_telephone: bool = False
    latest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class CallFacts(Facts):
    """All that decides about one call-back, which is not due before `due_at`.

    `locked_by` is the name of a colleague who works on it until `locked_until`; None when it is free or the reader's own.
    """

    what: ClassVar[str] = "a call"
    due_at: datetime
    ended: bool = False
    dropped: bool = False
    on_line: bool = False
    unsaid_by: str | None = None
    tries_used_up: bool = False
    locked_by: str | None = None
    locked_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MessageFacts(Facts):
    """All that decides about one message in writing: an SMS or a messenger's.

    `wrote_to_us`: the worker wrote to us on this very account; nothing is written first. An answer to somebody who writes
    at this moment needs no less than a later one: whether it might has not been decided.
    """

    what: ClassVar[str] = "a message"
    wrote_to_us: bool = False


def why_not(
    facts: CallFacts | MessageFacts, at: datetime, zone: ZoneInfo, *, supervisor: bool = False
) -> Refusal | None:
    """Return the first reason why this may not go out at this moment; None when it may.

    `zone` is the line's own. `supervisor`: used-up tries do not stop a supervisor. Raises ValueError for a moment without a
    time zone.
    """
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    busy = _busy(facts, supervisor=supervisor) if isinstance(facts, CallFacts) else None
    return _never_by_time(facts, at) or busy or _not_yet(facts, at, zone)


def _never_by_time(facts: CallFacts | MessageFacts, at: datetime) -> Refusal | None:
    """Return the first reason that no waiting mends."""
    if isinstance(facts, CallFacts) and facts.ended:
        return Refusal(Reason.ENDED, "This call-back has ended.")
    refusal = _unsafe(facts) or _review(facts, at)
    if refusal is not None:
        return refusal
    return _call_not_agreed(facts) if isinstance(facts, CallFacts) else _message_not_agreed(facts)


def _unsafe(facts: Facts) -> Refusal | None:
    """Return why contact is not known to be safe, on any way."""
    if facts.withheld:
        return Refusal(Reason.WITHHELD, "The number is withheld or not certain.")
    safety = facts.safety
    callback = safety.callback if safety is not None else CallbackSafety.UNKNOWN
    if callback is CallbackSafety.NEVER:
        return Refusal(Reason.NEVER, "The worker said never to call back.")
    if callback is CallbackSafety.UNSAFE:
        return Refusal(Reason.UNSAFE, "It is unsafe to contact the worker.")
    if facts.other_unsafe is not None:
        return Refusal(
            Reason.OTHER_CASE_UNSAFE,
            f"Case {facts.other_unsafe} has the same telephone, and there contact is unsafe. People share phones.",
            about=facts.other_unsafe,
        )
    if facts.other_telephone:
        return Refusal(
            Reason.OTHER_TELEPHONE, "What this case knows about safety was said of another telephone, not of this one."
        )
    if callback is not CallbackSafety.SAFE:
        return Refusal(
            Reason.UNKNOWN,
            f"Nobody knows whether {facts.what} is safe for the worker. Wait for them, or close this with a reason.",
        )
    if facts.case_closed:
        return Refusal(Reason.CASE_CLOSED, "The case is closed. Reopen it first.")
    return None


def _review(facts: Facts, at: datetime) -> Refusal | None:
    """Return why what the worker said no longer counts."""
    window, reviewed_at = (facts.safety.window, facts.safety.reviewed_at) if facts.safety is not None else (None, None)
    until = safe_until(window, reviewed_at)
    if until is None or reviewed_at is None:
        return Refusal(Reason.NOT_REVIEWED, "Nobody has reviewed the worker's safety. Ask when they reach us again.")
    if max(reviewed_at, facts.latest or reviewed_at) > at + CLOCK_SLACK:
        return Refusal(
            Reason.CLOCK_WRONG,
            "The clock of this machine is wrong or was changed. Nothing goes out until it is right.",
        )
    if until <= at:
        days = (until - reviewed_at).days
        return Refusal(
            Reason.REVIEW_TOO_OLD,
            f"The worker's safety was reviewed more than {days} days ago. Ask again when they reach us.",
        )
    if meant(window) is None:
        return Refusal(
            Reason.WINDOW_UNREADABLE, "The hours that the worker gave cannot be read. Write them down again."
        )
    return None


def _call_not_agreed(facts: CallFacts) -> Refusal | None:
    if facts.dropped and (facts.safety is None or facts.safety.if_drops != WE_CALL_BACK):
        return Refusal(
            Reason.DROP_NOT_AGREED,
            "The line dropped, and the worker has not said that we may call back when it does.",
        )
    return None


def _message_not_agreed(facts: MessageFacts) -> Refusal | None:
    if not facts.wrote_to_us:
        return Refusal(Reason.NOT_AN_ANSWER, "The worker has not written to us here, and we never write first.")
    if facts.safety is None or facts.safety.message != NEUTRAL:
        return Refusal(Reason.MESSAGE_NOT_AGREED, "The worker has not agreed to neutral messages.")
    return None


def _busy(facts: CallFacts, *, supervisor: bool) -> Refusal | None:
    """Return what people are doing about a call-back now, or must do before it."""
    if facts.on_line:
        return Refusal(Reason.CALLER_ON_LINE, "This telephone is in a call with us now.")
    if facts.unsaid_by is not None:
        return Refusal(
            Reason.NOT_SAID,
            f"{facts.unsaid_by} called the worker and has not said what came of it. That comes first.",
            about=facts.unsaid_by,
        )
    if facts.tries_used_up and not supervisor:
        return Refusal(
            Reason.TRIES_USED_UP, "The worker was tried as often as is allowed. A supervisor decides what is next."
        )
    if facts.locked_by is not None:
        words = f"{facts.locked_by} is working on this call-back."
        return Refusal(Reason.LOCKED_BY_OTHER, words, facts.locked_until, facts.locked_by)
    return None


def _not_yet(facts: CallFacts | MessageFacts, at: datetime, zone: ZoneInfo) -> Refusal | None:
    """Return the reason that waiting mends."""
    opens = opens_at(facts, at, zone)
    if _due(facts, at) > at:
        rest = (
            f"Try {_in_words(opens, at, zone)}."
            if opens
            else "What the worker said is too old before their next safe hours."
        )
        return Refusal(Reason.TOO_SOON, f"It is too soon to try again. {rest}", opens)
    if opens == at:
        return None
    if opens is None:
        return Refusal(
            Reason.OUTSIDE_WINDOW,
            "This is not one of the worker's safe hours, and what they said is too old before the next one.",
        )
    words = f"This is not one of the worker's safe hours. They begin {_in_words(opens, at, zone)}."
    return Refusal(Reason.OUTSIDE_WINDOW, words, opens)


def _due(facts: CallFacts | MessageFacts, at: datetime) -> datetime:
    """Return from when on this may go out, as far as tries go: a message is due at once."""
    return facts.due_at if isinstance(facts, CallFacts) else at


def opens_at(facts: CallFacts | MessageFacts, at: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first moment from `at` on that is due, in the worker's hours and still believed; `at` when it is one.

    None when there is none, or when nothing may go out at all. It says nothing about what people are doing.
    """
    if _never_by_time(facts, at) is not None or facts.safety is None:
        return None
    window = meant(facts.safety.window)
    until = safe_until(facts.safety.window, facts.safety.reviewed_at)
    opens = next_opening(window, max(at, _due(facts, at)), zone) if window is not None else None
    return opens if opens is not None and until is not None and opens < until else None


def next_opening(window: Window, at: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first moment from `at` on that lies in the window, which is in `zone`; None if it never opens."""
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
    """Return when to try again after nobody was there: `again_s` seconds later, moved into the worker's hours."""
    later = at + timedelta(seconds=again_s)
    window = meant(safety.window) if safety is not None else None
    return (next_opening(window, later, zone) if window is not None else None) or later


def may_leave_message(safety: Safety | None) -> bool:
    """Whether a neutral message may be left on a machine: only if calling is safe and the worker agreed to one."""
    return safety is not None and safety.callback is CallbackSafety.SAFE and safety.message == NEUTRAL


def kind_of(contact: Contact) -> CallbackKind | None:
    """Return why the caller of an ended call is to be called back; None when they were heard."""
    asked = contact.callback_at
    if asked is not None and (contact.answered_at is None or asked > contact.answered_at):
        return CallbackKind.REQUESTED
    if contact.outcome is Outcome.ANSWERED:
        if contact.dropped_at is not None:
            return CallbackKind.DROPPED
        # Answered once, sent on or lost, and nobody took the call again.
        return CallbackKind.MISSED if contact.waits_again_at is not None else None
    if contact.outcome in {Outcome.VOICEMAIL, Outcome.FAILED}:
        return CallbackKind.MISSED
    return CallbackKind.ABANDONED


def more_pressing(one: CallbackKind, other: CallbackKind) -> CallbackKind:
    """Return the more pressing of two reasons to call back."""
    order = list(CallbackKind)
    return min(one, other, key=order.index)


def _in_words(moment: datetime, at: datetime, zone: ZoneInfo) -> str:
    local, here = moment.astimezone(zone), at.astimezone(zone)
    if local.date() == here.date():
        return f"today at {local:%H:%M}"
    if local.date() == here.date() + timedelta(days=1):
        return f"tomorrow at {local:%H:%M}"
    return f"on {local:%a} {local.day} {local:%b} at {local:%H:%M}"
