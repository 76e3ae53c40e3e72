"""Finding cases: by what was written about them, by status, language and owner; newest first, a page at a time."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, exists, or_
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from hotline.permissions import Permission, need
from hotline.queue_board import Row, is_open, rows
from models import Agent, Case, CaseStatus, Contact, Note, Recording, Transcript

PAGE = 50
COUNTED = 10_000  # a larger number tells nobody more, and counting a million takes longer than showing fifty
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
class Found:
    """One page of what was found. `owners` maps ids of cases to names of staff.

    `total` is how many there are, counted up to `COUNTED`; `beyond` says that there are more, and `pages` is None then.
    """

    rows: list[Row]
    owners: dict[int, str]
    total: int
    beyond: bool
    page: int
    pages: int | None


def find(session: Session, wanted: Wanted, by: Agent) -> Found:
    """One page of the cases that fit, newest first. A page past the end is the last one."""
    need(by, Permission.WORK_CASES)
    filters = _filters(wanted, by)
    some = select(Case.id).where(*filters)
    total = _count(session, some.limit(COUNTED + 1))
    beyond, page = total > COUNTED, max(1, wanted.page)
    if not beyond:
        page = min(page, _pages(total))
    cases = _page(session, some, page)
    if beyond and not cases:
        page = _pages(_count(session, some))
        cases = _page(session, some, page)
    owned = {case.owner_id for case in cases if case.owner_id}
    names = {a.id: a.name for a in session.exec(select(Agent).where(col(Agent.id).in_(owned)))}
    owners = {case.id or 0: names[case.owner_id] for case in cases if case.owner_id}
    return Found(rows(session, cases), owners, min(total, COUNTED), beyond, page, None if beyond else _pages(total))


def _count(session: Session, some: SelectOfScalar[Any]) -> int:
    return session.exec(select(func.count()).select_from(some.subquery())).one()


def _pages(total: int) -> int:
    return max(1, -(-total // PAGE))


def _page(session: Session, some: SelectOfScalar[Any], page: int) -> list[Case]:
    """A page of cases. Those before it are stepped over in the index; only its own are read whole."""
    order = (col(Case.opened_at).desc(), col(Case.id).desc())
    ids = session.exec(some.order_by(*order).offset((page - 1) * PAGE).limit(PAGE)).all()
    return list(session.exec(select(Case).where(col(Case.id).in_(ids)).order_by(*order)))


def _filters(wanted: Wanted, by: Agent) -> list[ColumnElement[bool]]:
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
    filters.extend(_has(word) for word in wanted.text.split()[:8])
    return filters


def _has(word: str) -> ColumnElement[bool]:
    def like(column: object) -> ColumnElement[bool]:
        return col(column).icontains(word, autoescape=True)

    noted = exists().where(col(Note.case_id) == col(Case.id), like(Note.text))
    said = exists().where(
        col(Contact.case_id) == col(Case.id),
        col(Recording.contact_id) == col(Contact.id),
        col(Transcript.recording_id) == col(Recording.id),
        or_(like(Transcript.text), like(Transcript.corrected_text)),
    )
    return or_(like(Case.reference), like(Case.summary), like(Case.alias), noted, said)
