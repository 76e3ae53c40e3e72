"""What follows when somebody writes down that a worker is in danger now, or that they no longer are."""

from sqlmodel import Session

from hotline import scope
from hotline.alerts import dangers
from hotline.audit import note_act
from hotline.cases.timeline import tell
from hotline.errors import Refused
from hotline.permissions import Permission, need
from models import Agent, Case, CaseStatus, EventKind
from models.db.types import now


def follow(session: Session, case: Case, by: Agent, *, in_danger: bool | None) -> None:
    """Raise or end the alert to supervisors. Danger is level P0, whatever else is known; without it the level is open again.

    Until cases are triaged no other rule sets a level, so that the one that danger set may be taken back with it.
    Raises `Refused` for danger on a closed case, on which nobody acts.
    """
    if in_danger:
        if case.status is CaseStatus.CLOSED:
            raise Refused("This case is closed. Open it again first, so that somebody acts on the danger.")
        dangers.raise_for(session, case, by)
    else:
        case.level = None if case.level == dangers.LEVEL else case.level
        dangers.end(session, case.id, by)
    session.add(case)
    session.flush()


def take(session: Session, case_id: int, by: Agent) -> None:
    """Take the danger of a case as a supervisor: it leaves the pages of the others. Audited, and on the timeline.

    Raises `Refused` when a colleague was faster or the danger is over.
    """
    need(by, Permission.EMERGENCY_HELP)
    case = scope.case(session, by, case_id)
    alert = dangers.open_of(session, case_id)
    if alert is not None:
        session.refresh(alert, with_for_update=True)
    if alert is None or alert.taken_at is not None:
        raise Refused("Somebody has taken this already, or the danger is over.")
    moment = now()
    dangers.end(session, case_id, by, moment)
    tell(session, case, EventKind.DANGER, moment, by, taken=True)
    note_act(session, "danger_taken", f"case:{case_id}", by_id=by.id)
