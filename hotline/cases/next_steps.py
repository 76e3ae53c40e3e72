"""The next steps on a case, and by when. It advises; it changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hotline.cases.rows import ACT_WITHIN
from hotline.safety.hours import safe_until
from models import CallbackSafety, Case, CaseStatus, Contact, Outcome, Recording, Safety
from models.db.types import now


class StepKind(StrEnum):
    """What there is to do."""

    SUPERVISOR = "supervisor"
    CLAIM = "claim"
    LISTEN = "listen"
    ASK_SAFETY = "ask_safety"
    CALL_BACK = "call_back"
    DO_NOT_DIAL = "do_not_dial"
    ASK_AGAIN = "ask_again"
    SAY_WHAT_IT_WAS = "say_what_it_was"
    SUMMARISE = "summarise"


@dataclass(frozen=True)
class Step:
    """One thing to do. `recording_id` is the recording to listen to."""

    kind: StepKind
    recording_id: int | None = None


def first_action_due(case: Case) -> datetime | None:
    """When the first action of a person is due; None once somebody acted, or when it is due on the contact itself."""
    if case.touched_at is not None or case.status is CaseStatus.CLOSED:
        return None
    within = ACT_WITHIN.get(case.level)
    return None if within is None else case.opened_at + within


def next_steps(
    case: Case,
    safety: Safety,
    calls: list[tuple[Contact, list[Recording]]],
    at: datetime | None = None,
    *,
    danger: bool = False,
) -> list[Step]:
    """Return what is left to do on an open case, first thing first. `calls` are newest first; `at` is now unless given.

    `danger`: the worker is in danger, and no supervisor has taken it yet.
    """
    if case.status is CaseStatus.CLOSED:
        return []
    steps = [Step(StepKind.SUPERVISOR)] if danger else []
    steps += [] if case.owner_id else [Step(StepKind.CLAIM)]
    steps += [Step(StepKind.LISTEN, r.id) for _, recordings in calls for r in recordings if r.heard_at is None]
    newest = calls[0][0] if calls else None
    over = newest is not None and newest.ended_at is not None and newest.outcome is not Outcome.ANSWERED
    wants_call = case.caller_id is not None and over
    if wants_call and safety.callback is CallbackSafety.SAFE:
        until = safe_until(safety.window, safety.reviewed_at)
        still = until is not None and until > (at or now())
        steps.append(Step(StepKind.CALL_BACK if still else StepKind.ASK_AGAIN))
    elif wants_call and safety.callback is CallbackSafety.UNKNOWN:
        steps.append(Step(StepKind.DO_NOT_DIAL))
    if safety.reviewed_at is None or safety.in_danger is None:
        steps.append(Step(StepKind.ASK_SAFETY))
    if any(c.disposition is None for c, _ in calls):
        steps.append(Step(StepKind.SAY_WHAT_IT_WAS))
    if not case.summary:
        steps.append(Step(StepKind.SUMMARISE))
    return steps
