"""The bar at the top of every page: the agent's state, their call, and what is to be done about it."""

from typing import Any

from sqlmodel import col, select

from agent_console.console import Request
from agent_console.labels import agents as agent_labels
from agent_console.labels import cases as case_labels
from hotline import scope
from hotline.calls import conversations, wrap_ups
from hotline.calls import facts as calls
from hotline.calls.conversations import TalkNow
from hotline.cases import consents
from hotline.errors import Invalid
from hotline.nudges import AGENTS_CHANGED
from hotline.permissions import Permission
from hotline.queue import waiting as queue_waiting
from hotline.referrals import directory
from hotline.staff import states as agents
from models import Agent, AgentLanguage, AgentStatus, Contact, Party, PartyKind, Place, TalkRecording
from models.db.types import now
from web.i18n import gettext as _
from web.request import Answer, Page, Redirect, own_path, page
from web.routes import Routes

routes = Routes()


@routes.get("/state", Permission.SET_OWN_STATE)
def bar(ask: Request) -> Answer:
    """The bar."""
    return page("calls/_bar.html", **state_now(ask))


@routes.post("/state", Permission.SET_OWN_STATE)
def choose(ask: Request) -> Answer:
    """Ready, not ready, off duty, or a break with its reason: the agent's own choice."""
    change(ask, ask.form.get("to", ""), ask.form.get("reason", ""))
    ask.tell(AGENTS_CHANGED)
    return drawn(ask)


@routes.post("/phone/decline", Permission.USE_PHONE)
def decline(ask: Request) -> Answer:
    """The agent does not take the call that rings. From a queue, or handed over: not ready until they say so; asked by a
    colleague: as before."""
    agent_id = ask.agent.id
    call = agents.state_of(ask.session, agent_id).call or ask.form.get("call", "")
    talk = conversations.of_call(ask.session, call)
    if talk is not None and talk.talk.agent_id != agent_id and talk.contact.waits_again_at is None:
        agents.stopped_ringing(ask.session, agent_id, call, ask.now)
    else:
        agents.missed(ask.session, agent_id, ask.now, agents.DECLINED)
    ask.tell(AGENTS_CHANGED)
    return drawn(ask)


def change(ask: Request, to: str, reason: str = "") -> None:
    """Set the state that the agent chose. Raises `Invalid` for what no form of ours sends, `Refused` during a call."""
    if to == "break":
        agents.take_break(ask.session, ask.agent, reason)
    elif to == "offline":
        agents.go_off_duty(ask.session, ask.agent)
    elif to in {"ready", "not_ready"}:
        agents.choose_status(ask.session, ask.agent, to == "ready")
    else:
        raise Invalid(to=_("Choose ready or not ready."))


def drawn(ask: Request, **more: Any) -> Answer:
    """After an act: the bar anew for htmx, else the page they were on."""
    if ask.visit.htmx and not ask.visit.boosted:
        return Page("calls/_bar.html", state_now(ask) | more, triggers=("agents-changed",))
    return Redirect(own_path(ask.form.get("next", "")) or "/")


def state_now(ask: Request) -> dict[str, object]:
    """The agent's state, languages and call, and who else is in it: what the bar and the desk show."""
    state = agents.state_of(ask.session, ask.agent.id)
    contact = calls.find(ask.session, state.call) if state.call is not None else None
    talk = conversations.of_call(ask.session, state.call) if state.call is not None else None
    speaks = ask.session.exec(select(AgentLanguage).where(col(AgentLanguage.agent_id) == ask.agent.id)).all()
    case = scope.find(ask.session, ask.agent, contact.case_id) if contact is not None else None
    return {
        "state": state,
        "call": contact,
        "case": case,
        "speaks": sorted(speaks, key=lambda s: s.language),
        "says": agent_labels,
        "words": case_labels,
        "late_s": queue_waiting.LATE_S,
        **_talk(ask, state.status, talk, contact),
        **_after(ask, state.status, contact),
    }


def _talk(ask: Request, status: AgentStatus, talk: TalkNow | None, contact: Contact | None) -> dict[str, object]:
    """The conversation: who leads, who was called in, and what may be done."""
    if status is not AgentStatus.ON_CALL or talk is None or contact is None:
        return {
            "talk": None,
            "leads": False,
            "parties": [],
            "helpers": [],
            "names": {},
            "records": "",
            "lead": "",
        }
    others = [p for p in talk.parties if p.agent_id != ask.agent.id]
    records = "may" if consents.may_record(ask.session, contact) else ""
    return {
        "talk": talk,
        "leads": talk.talk.agent_id == ask.agent.id,
        "lead": ask.session.get_one(Agent, talk.talk.agent_id).name,
        "parties": [p for p in others if p.kind is not PartyKind.SUPERVISOR],
        "helpers": [p for p in others if p.kind is PartyKind.SUPERVISOR],
        "names": {p.leg: party_name(ask, p) for p in talk.parties},
        "records": "runs" if contact.recording is TalkRecording.RUNNING else records,
    }


def party_name(ask: Request, party: Party) -> str:
    """Who was called in; several supervisors ring at once, and the first to answer has the name."""
    if party.agent_id is not None:
        return ask.session.get_one(Agent, party.agent_id).name
    if party.entry_id is not None:
        return directory.load(ask.session, party.entry_id).name
    return _("a supervisor") if party.kind is PartyKind.SUPERVISOR else _("somebody outside")


def _after(ask: Request, status: AgentStatus, contact: Contact | None) -> dict[str, object]:
    """The wrap-up: whether the agent still has to say what the call was, or it goes on with somebody else."""
    wraps = status is AgentStatus.WRAP_UP
    return {
        "to_tell": wraps and wrap_ups.has_to_tell(ask.session, contact, ask.agent.id),
        "goes_on": wraps and contact is not None and contact.ended_at is None,
        "may_rejoin": agents.may_rejoin(agents.state_of(ask.session, ask.agent.id)),
        "ringing": Place.RINGING,
        "held": Place.HELD,
        "at": now(),
    }
