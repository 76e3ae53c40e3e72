"""The timeline of a case: what happened to it, line by line."""

from datetime import datetime

from sqlmodel import Session

from models import (
    Agent,
    Case,
    CaseEvent,
    EventKind,
)


def tell(
    session: Session, case: Case, kind: EventKind, at: datetime, by: Agent | None = None, **detail: object
) -> None:
    """Add a line to a case's timeline."""
    session.add(CaseEvent(case_id=case.id, at=at, kind=kind, by_id=by.id if by else None, detail=detail))
    session.flush()
