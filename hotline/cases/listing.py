"""Finding cases: by what was written about them, by status, language and owner; newest first, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from hotline import scope
from hotline.cases.rows import CaseRow, is_open, rows
from hotline.cases.search import holds
from hotline.permissions import Permission, need
from models import Agent, Case, CaseStatus

PAGE = 50
COUNTED = 10_000  # a larger number tells nobody more, and counting a million takes longer than showing fifty
NEWEST = (col(Case.opened_at).desc(), col(Case.id).desc())
MINE, NOBODY = "mine", "nobody"
OPEN = "open"


@dataclass(frozen=True)
class Wanted:
    """What is looked for. `status` is a status, `open` or ''; `owner` is `mine`, `nobody` or ''; `page` counts from 1."""

    text: str = ""
    status: str = ""
    language: str = ""
    owner: str = ""
    page: int = 1


@dataclass(frozen=True)
class CaseListing:
    """One page of what was found. `owners` maps ids of cases to names of staff.

    `total` is how many there are, counted up to `COUNTED`; `beyond` says that there are more, and `pages` is None then.
    """

    rows: list[CaseRow]
    owners: dict[int, str]
    total: int
    beyond: bool
    page: int
    pages: int | None


def find(session: Session, wanted: Wanted, by: Agent) -> CaseListing:
    """One page of the cases that fit, newest first. A page past the end is the last one."""
    need(by, Permission.WORK_CASES)
    named = _named(session, by, wanted.text)
    wanted = replace(wanted, text="") if named is not None else wanted
    narrowed = _filters(session, wanted, by) if named is None else [*_filters(session, wanted, by), named]
    some = scope.cases(by, select(Case.id).where(*narrowed))
    # Looking for words takes the time, so it is done once: the whole list at once, instead of its length and then a page.
    listed = _ids(session, some, 0, COUNTED + 1) if wanted.text else None
    total = _count(session, some.limit(COUNTED + 1)) if listed is None else len(listed)
    beyond, page = total > COUNTED, max(1, wanted.page)
    if not beyond:
        page = min(page, _pages(total))
    first = (page - 1) * PAGE
    if listed is not None and first + PAGE <= COUNTED:
        ids = listed[first : first + PAGE]
    else:
        ids = _ids(session, some, first, PAGE)
    if beyond and not ids:
        page = _pages(_count(session, some))
        ids = _ids(session, some, (page - 1) * PAGE, PAGE)
    cases = session.exec(scope.cases(by, select(Case).where(col(Case.id).in_(ids))).order_by(*NEWEST)).all()
    owned = {case.owner_id for case in cases if case.owner_id}
    names = {a.id: a.name for a in session.exec(select(Agent).where(col(Agent.id).in_(owned)))}
    owners = {case.id: names[case.owner_id] for case in cases if case.owner_id}
    return CaseListing(
        rows(session, cases), owners, min(total, COUNTED), beyond, page, None if beyond else _pages(total)
    )


def _named(session: Session, by: Agent, text: str) -> ColumnElement[bool] | None:
    """A whole reference means its case, and nothing else is looked through; None when the text is none."""
    this = col(Case.reference) == text.strip().upper()
    found = scope.cases(by, select(Case.id).where(this))
    return this if text and session.exec(found).first() is not None else None


def _count(session: Session, some: SelectOfScalar[Any]) -> int:
    return session.exec(select(func.count()).select_from(some.subquery())).one()


def _pages(total: int) -> int:
    return max(1, -(-total // PAGE))


def _ids(session: Session, some: SelectOfScalar[Any], first: int, most: int) -> Sequence[int]:
    """So many of these cases, newest first. Those before the first are stepped over in the index, and none is read whole."""
    return session.exec(some.order_by(*NEWEST).offset(first).limit(most)).all()


def _filters(session: Session, wanted: Wanted, by: Agent) -> list[ColumnElement[bool]]:
    filters: list[ColumnElement[bool]] = []
    if wanted.status == OPEN:
        filters.append(is_open())
    elif wanted.status in set(CaseStatus):
        filters.append(col(Case.status) == CaseStatus(wanted.status))
    if wanted.language:
        filters.append(col(Case.language) == wanted.language)
    if wanted.owner == MINE:
        filters.append(col(Case.owner_id) == by.id)
    elif wanted.owner == NOBODY:
        filters.append(col(Case.owner_id).is_(None))
    # Every word must be found, each anywhere: people remember words, not phrases.
    filters.extend(holds(session, by, word) for word in wanted.text.split()[:8])
    return filters
