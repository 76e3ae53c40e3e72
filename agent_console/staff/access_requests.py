"""Access that waits for a second person: what was asked for, by whom, and saying yes or no to it."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import select

from agent_console.console import Request
from hotline.nudges import AGENTS_CHANGED, ALERTS_CHANGED
from hotline.permissions import Permission
from hotline.staff import access_requests
from models import AccessEnd, AccessKind, AccessRequest, Agent, Role
from web.i18n import gettext as _
from web.request import Answer, Redirect, page
from web.routes import Routes

routes = Routes()
HERE = "/settings/requests"


@dataclass(frozen=True)
class Shown:
    """A request as pages show it. `why_not`: why the reader cannot be the second person; empty when they can."""

    request: AccessRequest
    what: str
    about: str
    by: str
    ended_by: str | None
    mine: bool
    why_not: str
    how: str


@routes.get(HERE, Permission.OVERSEE)
def listed(ask: Request) -> Answer:
    """What waits, and what was decided lately."""
    names = names_of(ask)
    decided = [shown(ask, row, names) for row in access_requests.decided(ask.session)]
    return page("staff/requests.html", **waiting_now(ask), decided=decided)


@routes.post(HERE + "/{id}/confirmation", Permission.OVERSEE)
def confirm(ask: Request) -> Answer:
    """Be the second person."""
    row = access_requests.confirm(ask.session, ask.number("id"), ask.agent)
    said = (
        _("It made no sense any more, and changes nothing.")
        if row.end is AccessEnd.LAPSED
        else _("Confirmed: in force.")
    )
    return _done(ask, said)


@routes.post(HERE + "/{id}/refusal", Permission.OVERSEE)
def refuse(ask: Request) -> Answer:
    """Say no, or take back what one asked for."""
    row = access_requests.refuse(ask.session, ask.number("id"), ask.agent)
    return _done(ask, _("Taken back.") if row.end is AccessEnd.WITHDRAWN else _("Refused: nothing changes."))


def _done(ask: Request, said: str) -> Answer:
    ask.tell(ALERTS_CHANGED, AGENTS_CHANGED)
    return Redirect(HERE, said=said)


def waiting_now(ask: Request) -> dict[str, Any]:
    """What _requests.html shows: everything that waits."""
    names = names_of(ask)
    return {
        "requests": [shown(ask, row, names) for row in access_requests.waiting(ask.session)],
        "wait_h": ask.site.settings.second_person_h,
    }


def of_person(ask: Request, agent_id: int) -> dict[str, Any]:
    """What waits for one person, and whether the reader can fetch a password for them now."""
    row = access_requests.open_of(ask.session, agent_id)
    names = names_of(ask)
    return {
        "requests": [shown(ask, row, names)] if row is not None else [],
        "wait_h": ask.site.settings.second_person_h,
        "to_fetch": access_requests.fetched_by(ask.session, agent_id, ask.agent),
        "privileged": access_requests.PRIVILEGED,
    }


def names_of(ask: Request) -> dict[int, str]:
    """The names of all staff, by id."""
    return {agent.id: agent.name for agent in ask.session.exec(select(Agent))}


def shown(ask: Request, row: AccessRequest, names: dict[int, str]) -> Shown:
    """A request with its words."""
    about = names.get(row.agent_id, "?")
    return Shown(
        request=row,
        what=what(row.kind, row.role, about),
        about=about,
        by=names.get(row.asked_by_id, "?"),
        ended_by=names.get(row.ended_by_id) if row.ended_by_id is not None else None,
        mine=row.asked_by_id == ask.agent.id,
        why_not=access_requests.why_not_confirm(row, ask.agent),
        how=how(row.end),
    )


def what(kind: AccessKind, role: Role, about: str) -> str:
    """What is asked for, in a sentence."""
    roles = {Role.AGENT: _("agent"), Role.SUPERVISOR: _("supervisor"), Role.ADMINISTRATOR: _("administrator")}
    words = {
        AccessKind.ADD: _("Add %(name)s as %(role)s"),
        AccessKind.RAISE: _("Make %(name)s %(role)s"),
        AccessKind.PASSWORD: _("New password for %(name)s, %(role)s"),
        AccessKind.LET_IN: _("Let %(name)s, %(role)s, in again"),
    }[kind]
    return words % {"name": about, "role": roles[role]}


def how(end: AccessEnd | None) -> str:
    """How a request was decided, in a word."""
    words = {
        AccessEnd.CONFIRMED: _("confirmed"),
        AccessEnd.WAITED: _("in force after its wait"),
        AccessEnd.REFUSED: _("refused"),
        AccessEnd.WITHDRAWN: _("taken back"),
        AccessEnd.LAPSED: _("lapsed"),
    }
    return words[end] if end is not None else ""
