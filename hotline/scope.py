"""Which cases may be read, and by whom: the one filter of every list, count, search, page, history and export.

Nothing reads `Case` without it (`tests/unit/test_scope_is_used.py`). Whoever reads says for whom: a member of staff, or
`SYSTEM` when no person is answered.
"""

from enum import Enum
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, Update, false, true
from sqlmodel import Session, col, select

from hotline.errors import NotFound
from hotline.permissions import Permission, may
from models import Agent, Case

Statement = TypeVar("Statement", bound=Select | Update)  # type: ignore[type-arg]  # whatever its rows are


class System(Enum):
    """The hotline itself: call handling, safety rules, workers and sweeps, which must know every case to be right."""

    SYSTEM = "system"


SYSTEM = System.SYSTEM
Who = Agent | System


def visible_cases(who: Who) -> ColumnElement[bool]:
    """Return the condition on `Case` that holds for the cases this reader may see.

    Whoever works cases or sees the queue may see all, anybody else none. Rules that narrow it by person belong here and
    nowhere else.
    """
    if isinstance(who, System) or may(who, Permission.WORK_CASES) or may(who, Permission.SEE_QUEUE):
        return true()
    return false()


def cases(who: Who, statement: Statement) -> Statement:
    """Narrow a statement that reads or changes `Case` to the cases this reader may see."""
    narrowed: Statement = statement.where(visible_cases(who))  # type: ignore[assignment]  # `where` gives its own kind
    return narrowed


def find(session: Session, who: Who, case_id: int | None) -> Case | None:
    """Return a case, or None when there is none or this reader may not see it."""
    if case_id is None:
        return None
    if isinstance(who, System):
        return session.get(Case, case_id)
    return session.exec(cases(who, select(Case).where(col(Case.id) == case_id))).first()


def case(session: Session, who: Who, case_id: int) -> Case:
    """Return a case. Raises `NotFound`, with the same words, when there is none or this reader may not see it."""
    found = find(session, who, case_id)
    if found is None:
        raise NotFound("There is no such case.")
    return found
