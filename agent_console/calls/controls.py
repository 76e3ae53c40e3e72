"""Acts on a conversation in progress. The operator moves the legs in Asterisk; what was done is kept after it.

No transaction is open while Asterisk is asked. What fails is said on a line under the bar, and nothing is kept of it.
"""

import secrets
from collections.abc import Callable

from sqlmodel import Session

from agent_console.asterisk_limit import ACTS, turn
from agent_console.calls.bar import drawn
from agent_console.console import Request
from hotline import scope
from hotline.calls import conversations
from hotline.calls import facts as contacts
from hotline.calls.conversations import TalkNow
from hotline.cases import consents, work
from hotline.errors import Invalid, NotFound, Refused
from hotline.line import languages
from hotline.nudges import AGENTS_CHANGED, EMERGENCY, QUEUE_CHANGED, call_changed, case_changed
from hotline.permissions import Permission
from hotline.referrals import directory
from hotline.staff import presence
from hotline.staff import states as agents
from models import Agent, Contact, Conversation, Party, PartyKind, Place, TalkRecording
from models.db.types import now
from telephony.operator.operator import LineFailed, Operator
from web.i18n import gettext as _
from web.request import Answer, whole
from web.routes import Routes

routes = Routes()
Do = Callable[[Operator, TalkNow], None]
Save = Callable[[Session, TalkNow, Agent], None]


def act(ask: Request, do: Do, save: Save | None = None, talk: TalkNow | None = None) -> Answer:
    """Have something done by the agent who leads the conversation, and save it.

    Raises what `conversations.led_by` and the operator raise.
    """
    talk = talk or conversations.led_by(ask.session, ask.visit.match["call"], ask.agent)
    # What was read stays with us; the transaction does not stay open while Asterisk is asked.
    ask.session.close()
    with turn(ACTS):
        do(ask.site.operator, talk)
    if save is not None:
        with ask.site.database.write() as session:
            save(session, talk, session.get_one(Agent, ask.agent.id))
    tell(ask, talk)
    return drawn(ask)


def tell(ask: Request, talk: TalkNow) -> None:
    """Nudge whoever shows this call, its case, or who talks with whom."""
    ask.tell(AGENTS_CHANGED, QUEUE_CHANGED, call_changed(talk.contact.id))
    if talk.contact.case_id is not None:
        ask.tell(case_changed(talk.contact.case_id))


def _put(place: Place) -> Save:
    return lambda session, talk, _by: conversations.put(session, talk.talk.call, place, now())


@routes.post("/phone/calls/{call}/hold", Permission.USE_PHONE, transaction="own")
def hold(ask: Request) -> Answer:
    """The worker hears music."""
    return act(ask, lambda line, talk: line.hold(talk.talk.call, talk.talk.agent_id), _put(Place.HELD))


@routes.post("/phone/calls/{call}/resume", Permission.USE_PHONE, transaction="own")
def resume(ask: Request) -> Answer:
    """The worker is back with the agent."""
    return act(ask, lambda line, talk: line.resume(talk.talk.call, talk.talk.agent_id), _put(Place.ROOM))


@routes.post("/phone/calls/{call}/end", Permission.USE_PHONE, transaction="own")
def end(ask: Request) -> Answer:
    """End the call if this agent leads it; an agent who was called in leaves it."""
    call = ask.visit.match["call"]
    talk = conversations.of_call(ask.session, call)
    mine = next((p.leg for p in talk.parties if p.agent_id == ask.agent.id), None) if talk is not None else None
    if talk is None or mine is None:
        return act(ask, lambda line, talk: line.end(talk.talk.call))
    return act(ask, lambda line, _talk: line.drop_party(call, mine), talk=talk)


@routes.post("/phone/calls/{call}/consult", Permission.USE_PHONE, transaction="own")
def consult(ask: Request) -> Answer:
    """Call a colleague or a number of the directory, while the worker hears music."""
    call, leg = ask.visit.match["call"], secrets.token_hex(8)
    talk = _free_for_a_party(ask, call)
    if "entry" in ask.form:
        return _call_outside(ask, talk, leg, _id(ask, "entry"))
    colleague = _colleague(ask, lambda person: person.askable)

    def do(line: Operator, of: TalkNow) -> None:
        line.call_agent(call, of.talk.agent_id, leg, colleague.agent_id)

    def save(session: Session, _of: TalkNow, by: Agent) -> None:
        conversations.put(session, call, Place.HELD, now())
        conversations.add_party(session, call, leg, PartyKind.AGENT, now(), agent_id=colleague.agent_id, by=by)

    return act(ask, do, save, talk)


def _call_outside(ask: Request, talk: TalkNow, leg: str, entry_id: int) -> Answer:
    if ask.form.get("sure") != "yes":
        raise Refused(_("Say first that you want to call this number."))
    call, agent_id = talk.talk.call, ask.agent.id
    ask.session.close()
    with ask.site.database.write() as session:
        by, numbering = session.get_one(Agent, agent_id), ask.site.settings.numbering
        number = directory.number_to_call(session, ask.site.keys, entry_id, by, numbering)

    def do(line: Operator, of: TalkNow) -> None:
        line.call_outside(call, of.talk.agent_id, leg, number)

    def save(session: Session, _of: TalkNow, by: Agent) -> None:
        conversations.put(session, call, Place.HELD, now())
        conversations.add_party(session, call, leg, PartyKind.OUTSIDE, now(), entry_id=entry_id, by=by)

    return act(ask, do, save, talk)


@routes.post("/phone/calls/{call}/transfer", Permission.USE_PHONE, transaction="own")
def transfer(ask: Request) -> Answer:
    """Hand the worker over without asking: to the queue of a language, or to a colleague who is ready."""
    call = ask.visit.match["call"]
    talk = conversations.led_by(ask.session, call, ask.agent)
    if "agent" in ask.form:
        colleague = _colleague(ask, lambda person: person.rung)
        language = talk.contact.queue or talk.contact.language or languages.for_no_key(ask.session)

        def sent(session: Session, _of: TalkNow, by: Agent) -> None:
            _waits(session, call, by, language)

        return act(ask, lambda line, _of: line.to_agent(call, colleague.agent_id, language), sent, talk)
    language = ask.form.get("language", "")
    if language not in {row.code for row in languages.spoken(ask.session)}:
        raise Invalid(language=_("Choose a language of the line."))

    def save(session: Session, _of: TalkNow, by: Agent) -> None:
        contact = _waits(session, call, by, language)
        if contact is None:
            return
        conversations.end(session, call)
        case = scope.find(session, by, contact.case_id)
        if case is not None and case.owner_id == by.id:
            # Whoever takes the call takes the case with it.
            work.release(session, case.id, by)

    return act(ask, lambda line, _of: line.to_queue(call, language), save, talk)


def _waits(session: Session, call: str, by: Agent, queue: str) -> Contact | None:
    """A worker who was sent on waits until somebody answers: should they give up meanwhile, we owe them a call.

    The switchboard may have seen it before us. None when somebody has answered already, or the worker is gone.
    """
    contact, talk = contacts.find(session, call), session.get(Conversation, call)
    if contact is None or contact.ended_at is not None or (talk is not None and talk.agent_id != by.id):
        return None
    contacts.waits_again(session, contact, now(), queue)
    return contact


@routes.post("/phone/calls/{call}/rejoin", Permission.USE_PHONE, transaction="own")
def rejoin(ask: Request) -> Answer:
    """Come back into a call whose line broke off while others were in it; who has it now keeps it."""
    call, leg = ask.visit.match["call"], secrets.token_hex(8)
    state, talk = agents.state_of(ask.session, ask.agent.id), conversations.of_call(ask.session, call)
    if talk is None:
        raise NotFound(_("This call is over."))
    if state.call != call or not agents.may_rejoin(state):
        raise Refused(_("You are not in this call any more."))

    def save(session: Session, _of: TalkNow, by: Agent) -> None:
        conversations.add_party(session, call, leg, PartyKind.AGENT, now(), agent_id=by.id, by=by)

    return act(ask, lambda line, _of: line.rejoin(call, ask.agent.id, leg), save, talk)


@routes.post("/phone/calls/{call}/swap", Permission.USE_PHONE, transaction="own")
def swap(ask: Request) -> Answer:
    """Talk with the other of the two, while the one hears music."""
    talk, party = _with_party(ask)

    def save(session: Session, of: TalkNow, _by: Agent) -> None:
        conversations.put(session, of.talk.call, Place.ROOM if of.worker_held else Place.HELD, now())
        conversations.party_at(session, party.leg, Place.HELD if of.worker_held else Place.ROOM, now())

    return act(ask, lambda line, of: line.swap(of.talk.call, party.leg), save, talk)


@routes.post("/phone/calls/{call}/merge", Permission.USE_PHONE, transaction="own")
def merge(ask: Request) -> Answer:
    """All together: the worker, the agent, and whom the agent called in, such as an interpreter."""
    talk, _party = _with_party(ask)

    def save(session: Session, of: TalkNow, _by: Agent) -> None:
        conversations.put(session, of.talk.call, Place.ROOM, now())
        for party in of.parties:
            if party.place is not Place.RINGING:
                conversations.party_at(session, party.leg, Place.ROOM, now())

    return act(ask, lambda line, of: line.merge(of.talk.call), save, talk)


@routes.post("/phone/calls/{call}/return", Permission.USE_PHONE, transaction="own")
def back(ask: Request) -> Answer:
    """Send away whoever was called in, or stop calling, and be back with the worker."""
    talk = conversations.led_by(ask.session, ask.visit.match["call"], ask.agent)
    party = _party(talk, ask.form.get("leg", ""), (*Place,))

    def do(line: Operator, of: TalkNow) -> None:
        line.drop_party(of.talk.call, party.leg)
        line.resume(of.talk.call, of.talk.agent_id)

    def save(session: Session, of: TalkNow, _by: Agent) -> None:
        conversations.party_gone(session, party.leg)
        conversations.put(session, of.talk.call, Place.ROOM, now())

    return act(ask, do, save, talk)


@routes.post("/phone/calls/{call}/complete", Permission.USE_PHONE, transaction="own")
def complete(ask: Request) -> Answer:
    """Hand the worker to whom was called in, and leave. A colleague takes the case with the call."""
    talk, party = _with_party(ask)
    colleague = party.agent_id

    def save(session: Session, of: TalkNow, _by: Agent) -> None:
        contact = contacts.find(session, of.talk.call)
        if colleague is not None:
            conversations.hand_to(session, of.talk.call, colleague, now())
        elif contact is not None:
            contacts.not_recorded(contact)

    return act(ask, lambda line, of: line.complete(of.talk.call, of.talk.agent_id, party.leg), save, talk)


@routes.post("/phone/calls/{call}/emergency", Permission.USE_PHONE, transaction="own")
def emergency(ask: Request) -> Answer:
    """Ask for a supervisor at once. It is kept and shown to all of them before a phone rings: one may have no phone now."""
    talk = conversations.led_by(ask.session, ask.visit.match["call"], ask.agent)
    there, call, leg = presence.helpers(ask.session, ask.agent.id), talk.talk.call, secrets.token_hex(8)
    coming = any(p.kind is PartyKind.SUPERVISOR for p in talk.parties)
    ask.session.close()
    with ask.site.database.write() as session:
        conversations.emergency(session, call, session.get_one(Agent, ask.agent.id), now())
    tell(ask, talk)
    ask.tell(EMERGENCY)
    if coming or not there:
        return drawn(ask)

    def save(session: Session, _of: TalkNow, by: Agent) -> None:
        conversations.add_party(session, call, leg, PartyKind.SUPERVISOR, now(), by=by)

    try:
        return act(ask, lambda line, of: line.call_supervisors(call, of.talk.agent_id, leg, there), save, talk)
    except LineFailed as error:
        # It was asked for all the same: the bar says that nobody is rung, and what to do.
        return drawn(ask, line_failed=str(error))


@routes.post("/phone/calls/{call}/record", Permission.USE_PHONE, transaction="own")
def record(ask: Request) -> Answer:
    """Record the conversation from now on. Only while the worker's consent stands."""
    talk = conversations.led_by(ask.session, ask.visit.match["call"], ask.agent)
    if not consents.may_record(ask.session, talk.contact):
        raise Refused(_("The worker has not agreed to be recorded in this call. Ask first, on the page of the case."))

    def do(line: Operator, of: TalkNow) -> None:
        line.start_recording(of.talk.call)
        with ask.site.database.read() as session:
            contact = contacts.find(session, of.talk.call)
            stands = contact is not None and consents.may_record(session, contact)
        if not stands:
            line.stop_recording(of.talk.call)
            raise Refused(_("The worker took their consent back. Nothing is recorded."))

    running: list[bool] = []

    def save(session: Session, of: TalkNow, _by: Agent) -> None:
        running.append(_set_recording(session, of.talk.call, TalkRecording.RUNNING))

    answer = act(ask, do, save, talk)
    if running == [False]:
        # Taken back since we looked, while nothing was said to run that the worker could have stopped.
        with turn(ACTS):
            ask.site.operator.stop_recording(talk.talk.call)
        raise Refused(_("The worker took their consent back. What was recorded in that moment is destroyed unheard."))
    return answer


@routes.post("/phone/calls/{call}/record/stop", Permission.USE_PHONE, transaction="own")
def stop_recording(ask: Request) -> Answer:
    """Stop recording. What was recorded stays."""

    def save(session: Session, of: TalkNow, _by: Agent) -> None:
        _set_recording(session, of.talk.call, TalkRecording.CONSENTED)

    return act(ask, lambda line, talk: line.stop_recording(talk.talk.call), save)


def _set_recording(session: Session, call: str, to: TalkRecording) -> bool:
    """Store whether it runs, while the worker's consent stands. False when it does not: nothing is kept."""
    contact = contacts.find(session, call)
    if contact is None:
        return False
    session.refresh(contact, with_for_update={"key_share": True})
    if contact.recording is TalkRecording.OFF:
        return False
    contact.recording = to
    session.add(contact)
    return True


def _free_for_a_party(ask: Request, call: str) -> TalkNow:
    talk = conversations.led_by(ask.session, call, ask.agent)
    if talk.party is not None:
        raise Refused(_("Somebody is called in already. Send them away first."))
    return talk


def _with_party(ask: Request) -> tuple[TalkNow, Party]:
    """The conversation and who was called in, once they have answered."""
    talk = conversations.led_by(ask.session, ask.visit.match["call"], ask.agent)
    return talk, _party(talk, ask.form.get("leg", ""), (Place.ROOM, Place.HELD))


def _party(talk: TalkNow, leg: str, places: tuple[Place, ...]) -> Party:
    found = next((p for p in talk.parties if p.leg == leg and p.place in places), None)
    if found is None:
        raise NotFound(_("Whoever you called in is not in the call any more."))
    return found


def _id(ask: Request, name: str) -> int:
    found = whole(ask.form.get(name, ""))
    if found is None:
        raise NotFound("There is no such thing.")
    return found


def _colleague(ask: Request, free: Callable[[presence.Person], bool]) -> presence.Person:
    agent_id = _id(ask, "agent")
    found = next((p for p in presence.people(ask.session) if p.agent_id == agent_id != ask.agent.id), None)
    if found is None:
        raise NotFound(_("There is no such colleague."))
    if not free(found):
        raise Refused(_("%(name)s cannot be rung now.") % {"name": found.name})
    return found
