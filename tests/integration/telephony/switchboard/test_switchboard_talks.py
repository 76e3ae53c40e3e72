"""Conversations that the operator moves, on a real Asterisk: what the database then says, and that nobody is doubled."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, time

import pytest
from sqlmodel import select

from hotline.calls import conversations
from hotline.calls import facts as calls
from hotline.keys import Keys
from hotline.roster import shifts
from hotline.settings import Settings
from hotline.staff import mobiles
from hotline.staff import states as agents
from models import (
    Agent,
    AgentStatus,
    Case,
    Contact,
    Conversation,
    Database,
    Direction,
    Outcome,
    Party,
    PartyKind,
    Place,
)
from models.db.types import now
from telephony import names
from telephony.clients.ami import Ami
from telephony.operator.operator import Operator
from telephony.softphone.phone import Phone, SoftphoneCall
from telephony.switchboard.process import Switchboard
from tests.fakes.fake_ivr import FakeIvr
from tests.support.asterisk import AsteriskUnderTest
from tests.support.cast import Cast
from tests.support.scene import header
from tests.support.switchboard_floor import LINE, SECRET, contacts, ended, give_secret, state
from tests.support.thailand import THAI
from tests.support.tones import write_tone
from tests.support.wait import until

# Nobody finishes her wrap-up by herself; a trunk that calls out.
pytestmark = [
    pytest.mark.usefixtures("keys"),
    pytest.mark.one_asterisk(ring_s=5, wrap_up_s=600, come_back_s=4, callback_ring_s=4, calls_out=True),
]

LEG = "c0ffee"
MISSED = (AgentStatus.NOT_READY, agents.MISSED)
READY, RINGING, ON_CALL, WRAP_UP = AgentStatus.READY, AgentStatus.RINGING, AgentStatus.ON_CALL, AgentStatus.WRAP_UP


@dataclass
class Floor:
    """Everybody at work: Alice, Bob and Sofia are ready, each with her phone; the provider is where calls go out to."""

    db: Database
    settings: Settings
    asterisk: AsteriskUnderTest
    operator: Operator
    cast: Cast
    alice: Phone
    bob: Phone
    sofia: Phone
    provider: Phone
    caller: Phone
    board: Switchboard
    serve: Callable[[Switchboard], None]

    def status(self, agent: Agent) -> AgentStatus:
        return state(self.db, agent).status

    def talk(self) -> Conversation | None:
        with self.db.read() as session:
            found = session.exec(select(Conversation)).first()
            session.expunge_all()
            return found

    def parties(self) -> list[Party]:
        with self.db.read() as session:
            found = list(session.exec(select(Party)))
            session.expunge_all()
            return found

    def called_in(self, leg: str) -> Party | None:
        return next((party for party in self.parties() if party.leg == leg), None)

    def wait(self, agent: Agent, status: AgentStatus) -> None:
        until(lambda: self.status(agent) is status)

    def begin(self) -> tuple[str, SoftphoneCall, SoftphoneCall]:
        """A worker whom Alice has: the call's id, the worker's side and hers."""
        worker = self.caller.call(LINE)
        rung = self.alice.wait_ring()
        assert rung is not None
        until(lambda: self.status(self.cast.alice) is RINGING)
        rung.answer()
        assert worker.wait_answered()
        until(lambda: self.talk() is not None)
        (contact,) = contacts(self.db)
        assert contact.case_id is not None, "the case is filed at the answer"
        assert self.status(self.cast.alice) is ON_CALL
        return contact.call, worker, rung

    def over(self) -> Contact:
        """The one contact and its one case, when nothing is left of the call."""
        until(lambda: self.asterisk.channels == 0)
        row = until(lambda: ended(self.db))
        until(lambda: self.talk() is None and self.parties() == [])
        return row

    def break_off(self, agent: Agent | None) -> None:
        """End her leg, or the worker's, from the middle, with the cause of a broken network."""
        mark = f"{names.agent_interface(agent.id)}-" if agent is not None else f"PJSIP/{names.TRUNK}-"
        rows = self.asterisk.command("core show channels concise").splitlines()
        (channel,) = [row.split("!")[0] for row in rows if row.startswith(mark)]
        address = (self.settings.ami_host, self.settings.ami_port)
        ami = Ami(address, names.AMI_ACTOR, self.asterisk.running.secrets.ami_actor)
        ami.connect()
        ami.send_action({"Action": "Hangup", "Channel": channel, "Cause": "44"})
        ami.close()


@pytest.fixture
def floor(
    db: Database,
    settings: Settings,
    asterisk: AsteriskUnderTest,
    staff: Cast,
    ivr: FakeIvr,
    serve: Callable[[Switchboard], None],
) -> Iterator[Floor]:
    """Everybody at work, and a switchboard that knows it."""
    cast = staff
    people = (cast.alice, cast.bob, cast.sofia)
    with db.write() as session:
        for agent in people:
            give_secret(agent, SECRET)
            session.add(agent)
            agents.choose_status(session, agent, True)
    board = Switchboard(settings)
    serve(board)
    until(lambda: all(board._pushed.get(agent.id) for agent in people))
    server = (settings.sip_host, settings.sip_port)
    with ExitStack() as stack:
        phones = [stack.enter_context(Phone(server, user=agent.sip_name, secret=SECRET)) for agent in people]
        for phone in phones:
            assert phone.register() == 200
        provider = stack.enter_context(Phone(server, port=int(settings.trunk_host.partition(":")[2])))
        caller = stack.enter_context(asterisk.phone())
        operator = Operator(settings)
        stack.callback(operator.close)
        until(lambda: all(state(db, agent).reachable for agent in people))
        yield Floor(db, settings, asterisk, operator, cast, *phones, provider, caller, board, serve)


def answered(phone: Phone) -> SoftphoneCall:
    """The next call, answered."""
    rung = phone.wait_ring()
    assert rung is not None
    rung.answer()
    return rung


def call_bob_in(floor: Floor, call: str) -> None:
    """As the console does it: the act first, then the row."""
    bob = floor.cast.bob.id
    floor.operator.call_agent(call, floor.cast.alice.id, LEG, bob)
    with floor.db.write() as session:
        conversations.add_party(session, call, LEG, PartyKind.AGENT, now(), agent_id=bob)


def test_a_colleague_who_is_asked_and_takes_over_leads_and_each_wraps_up_in_her_turn(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    call_bob_in(floor, call)
    rung = floor.bob.wait_ring()
    assert rung is not None
    floor.wait(floor.cast.bob, RINGING)
    until(lambda: (talk := floor.talk()) and talk.place is Place.HELD and talk.held_since)
    rung.answer()
    until(lambda: (party := floor.called_in(LEG)) and party.place is Place.ROOM)
    floor.wait(floor.cast.bob, ON_CALL)
    floor.operator.complete(call, floor.cast.alice.id, LEG)
    until(lambda: (talk := floor.talk()) and talk.agent_id == floor.cast.bob.id)
    until(lambda: (talk := floor.talk()) and talk.place is Place.ROOM)
    floor.wait(floor.cast.alice, WRAP_UP)
    assert state(floor.db, floor.cast.alice).call == call
    assert floor.status(floor.cast.bob) is ON_CALL
    assert floor.parties() == [], "she is no party any more: she leads"
    worker.hangup()
    row = floor.over()
    assert (row.outcome, row.handler_id, row.dropped_at) == (Outcome.ANSWERED, floor.cast.alice.id, None)
    floor.wait(floor.cast.bob, WRAP_UP)
    with floor.db.read() as session:
        case = session.exec(select(Case)).one()
        assert case.owner_id == floor.cast.bob.id


def test_a_colleague_who_was_only_asked_is_what_she_was_when_she_leaves(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    call_bob_in(floor, call)
    rung = answered(floor.bob)
    floor.wait(floor.cast.bob, ON_CALL)
    rung.hangup()
    floor.wait(floor.cast.bob, READY)
    until(lambda: floor.parties() == [])
    floor.operator.resume(call, floor.cast.alice.id)
    until(lambda: (talk := floor.talk()) and talk.place is Place.ROOM)
    assert floor.status(floor.cast.alice) is ON_CALL
    floor.operator.end(call)
    assert worker.wait_ended()
    assert floor.over().dropped_at is None
    floor.wait(floor.cast.alice, WRAP_UP)


def test_a_colleague_who_is_not_there_or_is_sent_away_while_it_rings_is_ready_again(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    call_bob_in(floor, call)
    assert floor.bob.wait_ring() is not None
    floor.wait(floor.cast.bob, RINGING)
    floor.operator.drop_party(call, LEG)
    floor.wait(floor.cast.bob, READY)
    until(lambda: floor.parties() == [])
    call_bob_in(floor, call)
    rung = floor.bob.wait_ring()
    assert rung is not None
    floor.wait(floor.cast.bob, RINGING)
    rung.reject()
    floor.wait(floor.cast.bob, READY)
    until(lambda: floor.parties() == [])
    worker.hangup()
    floor.over()


def test_a_colleague_rings_on_for_nobody_when_the_worker_hangs_up(floor: Floor) -> None:
    floor.board.settings.ring_s = floor.operator.settings.ring_s = 60
    call, worker, _ = floor.begin()
    call_bob_in(floor, call)
    rung = floor.bob.wait_ring()
    assert rung is not None
    worker.hangup()
    assert rung.wait_ended()
    floor.over()
    floor.wait(floor.cast.bob, READY)


def test_a_worker_who_is_sent_to_another_queue_waits_again_until_somebody_has_her(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    with floor.db.write() as session:
        agents.take_break(session, floor.cast.bob, "short")
    until(lambda: "(paused" in floor.asterisk.command("queue show th"))
    floor.operator.to_queue(call, "th")
    floor.wait(floor.cast.alice, WRAP_UP)
    until(lambda: floor.talk() is None)
    with floor.db.read() as session:
        (waiting,) = calls.waiting(session)
        assert (waiting.call, waiting.queue) == (call, "th")
        assert waiting.waits_again_at is not None
    with floor.db.write() as session:
        agents.choose_status(session, floor.cast.bob, True)
    answered(floor.bob)
    floor.wait(floor.cast.bob, ON_CALL)
    assert (talk := floor.talk()) is not None
    assert talk.agent_id == floor.cast.bob.id
    with floor.db.read() as session:
        assert calls.waiting(session) == []
    assert floor.status(floor.cast.alice) is WRAP_UP
    worker.hangup()
    floor.over()
    floor.wait(floor.cast.bob, WRAP_UP)


def test_a_worker_who_is_handed_to_a_colleague_is_hers_when_she_answers(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    floor.operator.to_agent(call, floor.cast.bob.id, "my")
    rung = floor.bob.wait_ring()
    assert rung is not None
    assert header(rung, names.KIND_HEADER) == names.KIND_TRANSFER
    floor.wait(floor.cast.bob, RINGING)
    floor.wait(floor.cast.alice, WRAP_UP)
    rung.answer()
    until(lambda: (talk := floor.talk()) and talk.agent_id == floor.cast.bob.id)
    floor.wait(floor.cast.bob, ON_CALL)
    rung.hangup()
    assert worker.wait_ended()
    floor.over()
    floor.wait(floor.cast.bob, WRAP_UP)


def test_a_colleague_who_does_not_take_a_handed_worker_leaves_her_to_the_queue(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    with floor.db.write() as session:
        agents.set_status(session, floor.cast.alice.id, AgentStatus.NOT_READY)
    floor.operator.to_agent(call, floor.cast.bob.id, "th")
    rung = floor.bob.wait_ring()
    assert rung is not None
    rung.reject()
    until(lambda: contacts(floor.db)[0].waits_again_at)
    until(lambda: (state(floor.db, floor.cast.bob).status, state(floor.db, floor.cast.bob).reason) == MISSED)
    until(lambda: floor.talk() is None)
    assert floor.bob.wait_ring(within_s=3) is None, "the queue does not ring her with what she has just declined"
    worker.hangup()
    floor.over()


def test_in_an_emergency_the_first_supervisor_joins_and_the_others_stop_ringing(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    cast = floor.cast
    with floor.db.write() as session:
        conversations.emergency(session, call, cast.alice, now())
    floor.operator.call_supervisors(call, cast.alice.id, LEG, [cast.sofia.id, cast.bob.id])
    with floor.db.write() as session:
        conversations.add_party(session, call, LEG, PartyKind.SUPERVISOR, now())
    sofia, bob = floor.sofia.wait_ring(), floor.bob.wait_ring()
    assert sofia is not None
    assert bob is not None
    floor.wait(cast.sofia, RINGING)
    floor.wait(cast.bob, RINGING)
    sofia.answer()
    floor.wait(cast.bob, READY)
    floor.wait(cast.sofia, ON_CALL)
    party = until(lambda: (p := floor.called_in(LEG)) and p.place is Place.ROOM and p)
    assert (party.agent_id, party.kind) == (cast.sofia.id, PartyKind.SUPERVISOR)
    assert (talk := floor.talk()) is not None
    assert talk.agent_id == cast.alice.id
    sofia.hangup()
    floor.wait(cast.sofia, READY)
    until(lambda: floor.parties() == [])
    assert floor.status(cast.alice) is ON_CALL
    worker.hangup()
    floor.over()
    floor.wait(cast.alice, WRAP_UP)


def test_an_emergency_that_nobody_answers_leaves_no_party(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    cast = floor.cast
    floor.operator.call_supervisors(call, cast.alice.id, LEG, [cast.sofia.id])
    with floor.db.write() as session:
        conversations.add_party(session, call, LEG, PartyKind.SUPERVISOR, now())
    rung = floor.sofia.wait_ring()
    assert rung is not None
    rung.reject()
    until(lambda: floor.parties() == [])
    floor.wait(cast.sofia, READY)
    worker.hangup()
    floor.over()


def test_when_the_lead_breaks_off_a_supervisor_who_is_in_the_room_has_the_worker(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    cast = floor.cast
    floor.operator.call_supervisors(call, cast.alice.id, LEG, [cast.sofia.id])
    with floor.db.write() as session:
        conversations.add_party(session, call, LEG, PartyKind.SUPERVISOR, now())
    answered(floor.sofia)
    floor.wait(cast.sofia, ON_CALL)
    floor.break_off(cast.alice)
    until(lambda: (talk := floor.talk()) and talk.agent_id == cast.sofia.id)
    floor.wait(cast.alice, WRAP_UP)
    worker.hangup()
    assert floor.over().dropped_at is None
    floor.wait(cast.sofia, WRAP_UP)


def test_an_outside_party_is_no_caller(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    alice = floor.cast.alice.id
    floor.operator.call_outside(call, alice, LEG, "0299900011")
    with floor.db.write() as session:
        conversations.add_party(session, call, LEG, PartyKind.OUTSIDE, now())
    until(lambda: (talk := floor.talk()) and talk.place is Place.HELD)
    outside = answered(floor.provider)
    until(lambda: (party := floor.called_in(LEG)) and party.place is Place.ROOM)
    floor.operator.swap(call, LEG)
    until(lambda: (party := floor.called_in(LEG)) and party.place is Place.HELD)
    until(lambda: (talk := floor.talk()) and talk.place is Place.ROOM)
    floor.operator.merge(call)
    until(lambda: (party := floor.called_in(LEG)) and party.place is Place.ROOM)
    assert floor.status(floor.cast.alice) is ON_CALL
    outside.hangup()
    until(lambda: floor.parties() == [])
    assert len(contacts(floor.db)) == 1
    assert contacts(floor.db)[0].ended_at is None
    worker.hangup()
    floor.over()
    floor.wait(floor.cast.alice, WRAP_UP)


def test_a_recording_is_nobody(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    floor.operator.start_recording(call)
    until(lambda: list(floor.settings.spool.glob(f"{call}.talk*.sln")))
    assert floor.parties() == []
    worker.hangup()
    floor.over()
    floor.wait(floor.cast.alice, WRAP_UP)


def test_a_worker_who_gives_up_while_her_agent_is_waited_for_was_dropped(floor: Floor) -> None:
    _, worker, _ = floor.begin()
    floor.break_off(floor.cast.alice)
    assert floor.alice.wait_ring() is not None, "she is rung again"
    assert floor.status(floor.cast.alice) is ON_CALL
    worker.hangup()
    row = floor.over()
    assert row.dropped_at is not None
    assert row.outcome is Outcome.ANSWERED
    floor.wait(floor.cast.alice, WRAP_UP)


def test_a_worker_whose_own_line_breaks_was_dropped(floor: Floor) -> None:
    _, worker, _ = floor.begin()
    floor.break_off(None)
    assert worker.wait_ended()
    row = floor.over()
    assert row.dropped_at is not None
    assert row.outcome is Outcome.ANSWERED
    floor.wait(floor.cast.alice, WRAP_UP)


def test_a_worker_who_hangs_up_on_an_agent_who_was_away_and_is_back_was_not_dropped(floor: Floor) -> None:
    _, worker, _ = floor.begin()
    floor.break_off(floor.cast.alice)
    # Before the loss was heard of nobody is lost either, and the worker would hang up before the agent is back.
    until(lambda: floor.board.notices.lost_agents(now()) == {floor.cast.alice.id})
    answered(floor.alice)
    until(lambda: floor.board.notices.lost_agents(now()) == set())
    worker.hangup()
    assert floor.over().dropped_at is None


def test_an_agent_who_breaks_off_in_the_room_and_is_back_has_dropped_nobody(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    alice = floor.cast.alice.id
    floor.operator.hold(call, alice)
    floor.operator.resume(call, alice)
    floor.break_off(floor.cast.alice)
    back = answered(floor.alice)
    assert header(back, names.KIND_HEADER) == names.KIND_BACK
    until(lambda: (talk := floor.talk()) and talk.place is Place.ROOM)
    assert floor.status(floor.cast.alice) is ON_CALL
    back.hangup()
    assert worker.wait_ended()
    assert floor.over().dropped_at is None
    floor.wait(floor.cast.alice, WRAP_UP)


def test_a_switchboard_that_starts_in_the_middle_of_a_consult_goes_on_with_it(floor: Floor) -> None:
    call, worker, _ = floor.begin()
    floor.board.stop()
    until(lambda: not floor.board.reader.connected)
    call_bob_in(floor, call)
    rung = answered(floor.bob)
    with floor.db.write() as session:
        session.add(Conversation(call="a talk of yesterday", agent_id=floor.cast.sofia.id))
        agents.set_status(session, floor.cast.sofia.id, RINGING, call="a talk of yesterday")
    floor.serve(Switchboard(floor.settings))
    floor.wait(floor.cast.bob, ON_CALL)
    until(lambda: (party := floor.called_in(LEG)) and party.place is Place.ROOM)
    floor.wait(floor.cast.sofia, READY)
    until(lambda: (talk := floor.talk()) and talk.call == call)
    floor.operator.complete(call, floor.cast.alice.id, LEG)
    until(lambda: (talk := floor.talk()) and talk.agent_id == floor.cast.bob.id)
    floor.wait(floor.cast.alice, WRAP_UP)
    rung.hangup()
    assert worker.wait_ended()
    floor.over()
    floor.wait(floor.cast.bob, WRAP_UP)


def a_call_back(floor: Floor) -> str:
    """As the console makes it before anything rings."""
    call, at = "0f0f0f0f-call-back", now()
    with floor.db.write() as session:
        case = Case(opened_at=at, language="my")
        session.add(case)
        session.flush()
        row = Contact(call=call, direction=Direction.OUTBOUND, arrived_at=at, case_id=case.id, language="my")
        row.handler_id = floor.cast.alice.id
        session.add(row)
    floor.operator.call_back(call, floor.cast.alice.id, "0812345678", "my")
    return call


def test_a_worker_who_is_called_back_is_answered_when_she_answers(floor: Floor) -> None:
    call = a_call_back(floor)
    agent = answered(floor.alice)
    floor.wait(floor.cast.alice, ON_CALL)
    until(lambda: floor.talk() is not None)
    ring = floor.provider.wait_ring()
    assert ring is not None
    assert contacts(floor.db)[0].answered_at is None
    ring.answer()
    answered_at: datetime = until(lambda: contacts(floor.db)[0].answered_at)
    assert answered_at
    assert floor.status(floor.cast.alice) is ON_CALL
    agent.hangup()
    row = floor.over()
    assert (row.call, row.direction, row.outcome) == (call, Direction.OUTBOUND, Outcome.ANSWERED)
    assert row.queued_at is None
    floor.wait(floor.cast.alice, WRAP_UP)


def test_a_worker_who_is_called_back_and_does_not_answer_was_not_reached(floor: Floor) -> None:
    a_call_back(floor)
    answered(floor.alice)
    ring = floor.provider.wait_ring()
    assert ring is not None
    ring.reject()
    assert floor.over().outcome is Outcome.NOT_REACHED
    floor.wait(floor.cast.alice, WRAP_UP)


def test_an_agent_who_does_not_take_her_own_phone_calls_nobody_back(floor: Floor) -> None:
    a_call_back(floor)
    rung = floor.alice.wait_ring()
    assert rung is not None
    floor.wait(floor.cast.alice, RINGING)
    rung.reject()
    assert floor.over().outcome is Outcome.NOT_REACHED
    floor.wait(floor.cast.alice, READY)


def test_a_worker_who_was_called_back_can_be_held_and_handed_over_like_any_other(floor: Floor) -> None:
    call = a_call_back(floor)
    answered(floor.alice)
    ring = answered(floor.provider)
    until(lambda: contacts(floor.db)[0].answered_at)
    floor.operator.hold(call, floor.cast.alice.id)
    until(lambda: (talk := floor.talk()) and talk.place is Place.HELD)
    floor.operator.to_queue(call, "th")
    floor.wait(floor.cast.alice, WRAP_UP)
    answered(floor.bob)
    until(lambda: (talk := floor.talk()) and talk.agent_id == floor.cast.bob.id)
    ring.hangup()
    assert floor.over().outcome is Outcome.ANSWERED
    floor.wait(floor.cast.bob, WRAP_UP)


def test_a_worker_who_was_called_back_is_kept_for_an_agent_who_breaks_off(floor: Floor) -> None:
    a_call_back(floor)
    answered(floor.alice)
    ring = answered(floor.provider)
    until(lambda: contacts(floor.db)[0].answered_at)
    floor.break_off(floor.cast.alice)
    assert floor.alice.wait_ring() is not None
    assert floor.status(floor.cast.alice) is ON_CALL
    ring.hangup()
    assert floor.over().dropped_at is not None


def test_an_agent_who_is_rung_at_home_has_the_call_on_her_mobile(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = floor.cast.alice
    monkeypatch.setattr("hotline.queue.members.on_duty", lambda *_: [alice.id])
    write_tone(floor.settings.sounds / "en" / "mobile_call.sln", 2100)
    floor.operator.set_mobile(alice.id, "0899999999")
    floor.alice.register(0)
    until(lambda: not state(floor.db, alice).reachable)
    until(lambda: "Local/m" in floor.asterisk.command("queue show my"))
    worker = floor.caller.call(LINE)
    mobile = answered(floor.provider)
    floor.wait(alice, RINGING)
    until(lambda: mobile.press("1") or floor.talk(), every_s=1.0)
    floor.wait(alice, ON_CALL)
    call = contacts(floor.db)[0].call
    floor.operator.hold(call, alice.id)
    until(lambda: (talk := floor.talk()) and talk.place is Place.HELD)
    floor.operator.resume(call, alice.id)
    until(lambda: (talk := floor.talk()) and talk.place is Place.ROOM)
    mobile.hangup()
    assert worker.wait_ended()
    assert floor.over().outcome is Outcome.ANSWERED
    floor.wait(alice, WRAP_UP)


def test_a_mobile_that_is_declined_twice_is_rung_no_more(floor: Floor, keys: Keys) -> None:
    alice = floor.cast.alice
    with floor.db.write() as session:
        mobiles.set_mobile(session, keys, alice.id, "0899999999", by_id=None, numbering=THAI)
        for day in range(7):
            shifts.add_shift(session, alice.id, starts=time(0), ends=time(0), weekday=day, at_home=True)
    floor.operator.set_mobile(alice.id, "0899999999")
    floor.alice.register(0)
    until(lambda: not state(floor.db, alice).reachable)
    until(lambda: "Local/m" in floor.asterisk.command("queue show my"))
    worker = floor.caller.call(LINE)
    for _ in range(2):
        rung = floor.provider.wait_ring()
        assert rung is not None
        rung.reject()
    until(lambda: state(floor.db, alice).reason == agents.MOBILE_RESTS)
    until(lambda: "Local/m" not in floor.asterisk.command("queue show my"))
    # The queue may have begun one more ring in the moment before it was told.
    if (late := floor.provider.wait_ring(within_s=1)) is not None:
        late.reject()
    assert floor.provider.wait_ring(within_s=3) is None
    worker.hangup()
    floor.over()
