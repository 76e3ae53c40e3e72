"""Legs that are moved: who has the worker, who is only asked, and whose end is the end."""

import pytest

from models import Place
from models.db.types import now
from telephony import names
from telephony.clients.ami import AmiMessage
from telephony.switchboard.ami_events import EventReader
from telephony.switchboard.changes.calls import (
    Answered,
    Arrived,
    CallbackDialled,
    Change,
    Changed,
    Ended,
    LeftCall,
    PartyGone,
    PartyMoved,
    Resumed,
    WorkerMoved,
)
from telephony.switchboard.changes.rings import Missed, RingStarted, StoppedRinging
from tests.support.ami_wire import CALL, CALLER, LEG, NAMED, TRUNK, dial, event

LINES = {"1800123456": "1800123456"}
PARTY = "c0ffee"
CALLED_IN = {**NAMED, names.LEG: PARTY}
# Bob is agent 2: called in, his leg belongs to nothing but itself until he is in the room.
BOB = {"Channel": "PJSIP/agent2-00000005", "Uniqueid": "7.1", "Linkedid": "7.1", "Context": "room"}
SHELTER = {"Channel": "PJSIP/trunk-00000006", "Uniqueid": "7.2", "Linkedid": "7.2", "Context": "room"}
UP = {"ChannelState": "6", "Cause": "16"}
BROKEN = {"ChannelState": "6", "Cause": "44"}


def kinds(changes: list[Change]) -> list[type]:
    return [type(change) for change in changes]


def enters(leg: dict[str, str], bridge: str, variables: dict[str, str] = NAMED) -> AmiMessage:
    return event("BridgeEnter", {**leg, "BridgeUniqueid": bridge}, variables)


def leaves(leg: dict[str, str], bridge: str, variables: dict[str, str] = NAMED) -> AmiMessage:
    return event("BridgeLeave", {**leg, "BridgeUniqueid": bridge}, variables)


@pytest.fixture
def notices() -> EventReader:
    """Alice, who is agent 1, has a worker."""
    one = EventReader(LINES)
    for seen in (
        event("Newchannel", TRUNK),
        event("Newstate", CALLER, NAMED),
        dial("DialBegin", CALLER, LEG),
        dial("DialEnd", CALLER, LEG, "ANSWER"),
        enters(CALLER, "two"),
        enters(LEG, "two"),
        event("AgentConnect", {**CALLER, "Interface": "PJSIP/agent1"}, NAMED),
    ):
        one.changes(seen)
    return one


def consult(notices: EventReader) -> None:
    """The worker hears music, and Alice talks with Bob."""
    for seen in (
        leaves(CALLER, "two"),
        leaves(LEG, "two"),
        event("MusicOnHoldStart", {**CALLER, "Context": "held"}, NAMED),
        enters(LEG, "room"),
        event("Newstate", BOB, CALLED_IN),
        enters(BOB, "room", CALLED_IN),
    ):
        notices.changes(seen)


def test_a_worker_is_held_where_the_dialplan_holds_her_and_not_while_she_waits(notices: EventReader) -> None:
    (held,) = notices.changes(event("MusicOnHoldStart", {**CALLER, "Context": "held"}, NAMED))
    assert isinstance(held, WorkerMoved)
    assert held.place is Place.HELD
    assert notices.changes(event("MusicOnHoldStart", {**CALLER, "Context": "freeline"}, NAMED)) == []
    (back,) = notices.changes(enters(CALLER, "room"))
    assert isinstance(back, WorkerMoved)
    assert back.place is Place.ROOM


def test_a_party_is_in_the_room_or_held_and_gone_with_her_leg(notices: EventReader) -> None:
    notices.changes(event("Newstate", BOB, CALLED_IN))
    (there,) = notices.changes(enters(BOB, "room", CALLED_IN))
    assert isinstance(there, PartyMoved)
    assert (there.leg, there.place, there.agent_id) == (PARTY, Place.ROOM, 2)
    (held,) = notices.changes(event("MusicOnHoldStart", {**BOB, "Context": "held"}, CALLED_IN))
    assert isinstance(held, PartyMoved)
    assert held.place is Place.HELD
    gone, left = notices.changes(event("Hangup", {**BOB, **UP}, CALLED_IN))
    assert isinstance(gone, PartyGone)
    assert isinstance(left, LeftCall)
    assert (left.agent_id, left.wrap_up) == (2, False), "she was only asked"


@pytest.mark.parametrize("status", ["NOANSWER", "BUSY", "CONGESTION"])
def test_who_does_not_take_a_worker_handed_to_her_has_missed_a_ring(notices: EventReader, status: str) -> None:
    """The queue rings for her next, and must not ring the same phone with the same call."""
    handed = {**CALLER, "Context": "freeline", "Exten": names.EXTENSION_TO_AGENT}
    notices.changes(dial("DialBegin", handed, BOB))
    (missed,) = notices.changes(dial("DialEnd", handed, BOB, status))
    assert isinstance(missed, Missed)
    assert missed.agent_id == 2
    assert notices.changes(dial("DialEnd", handed, BOB, "CANCEL")) == [], "the worker hung up"
    assert notices.changes(dial("DialEnd", {**handed, "Exten": "call"}, BOB, status)) == [], "the queue tells it itself"


def test_a_leg_that_we_call_is_never_a_callers(notices: EventReader) -> None:
    changes = [
        *notices.changes(event("Newchannel", {**SHELTER, "Context": "from-trunk", "Exten": ""})),
        *notices.changes(event("Newstate", SHELTER, CALLED_IN)),
        *notices.changes(enters(SHELTER, "room", CALLED_IN)),
        *notices.changes(event("Hangup", {**SHELTER, **UP}, CALLED_IN)),
    ]
    assert kinds(changes) == [PartyMoved, PartyGone]


def test_what_records_and_what_is_behind_a_mobile_is_nobody(notices: EventReader) -> None:
    recorder = {"Channel": "Local/call@recorder-00000001;1", "Uniqueid": "7.3", "Linkedid": "7.3"}
    mobile = {"Channel": "PJSIP/trunk-00000007", "Uniqueid": "7.4", "Linkedid": CALLER["Linkedid"]}
    behind = {"Channel": "Local/m1@confirm-00000001;2", "Uniqueid": "7.5", "Linkedid": CALLER["Linkedid"]}
    for leg, word in ((recorder, names.LEG_RECORDER), (mobile, names.LEG_MOBILE), (behind, "")):
        named = {**NAMED, names.LEG: word}
        for seen in (event("Newstate", leg, named), enters(leg, "two", named), event("Hangup", {**leg, **UP}, named)):
            assert notices.changes(seen) == [], leg


def test_the_worker_who_comes_to_a_colleague_when_the_lead_is_gone_is_hers(notices: EventReader) -> None:
    consult(notices)
    (left,) = notices.changes(event("Hangup", {**LEG, **UP}, NAMED))
    assert isinstance(left, LeftCall)
    assert left.wrap_up
    placed, resumed = notices.changes(enters(CALLER, "room"))
    assert isinstance(placed, WorkerMoved)
    assert isinstance(resumed, Resumed)
    assert resumed.agent_id == 2
    assert kinds(notices.changes(event("Hangup", {**CALLER, **UP}, NAMED))) == [Ended]
    gone, left = notices.changes(event("Hangup", {**BOB, **UP}, CALLED_IN))
    assert isinstance(gone, PartyGone)
    assert isinstance(left, LeftCall)
    assert left.wrap_up, "she led in the end"


def test_the_lead_who_leaves_when_the_worker_is_back_already_hands_her_over(notices: EventReader) -> None:
    consult(notices)
    assert kinds(notices.changes(enters(CALLER, "room"))) == [WorkerMoved], "the lead is still there"
    resumed, left = notices.changes(event("Hangup", {**LEG, **UP}, NAMED))
    assert isinstance(resumed, Resumed)
    assert isinstance(left, LeftCall)
    assert (resumed.agent_id, left.agent_id) == (2, 1)


def test_a_lead_who_breaks_off_while_a_colleague_is_with_the_worker_is_not_waited_for(notices: EventReader) -> None:
    consult(notices)
    notices.changes(enters(CALLER, "room"))
    changes = notices.changes(event("Hangup", {**LEG, **BROKEN}, NAMED))
    assert kinds(changes) == [Resumed, LeftCall]
    assert notices.lost_agents(now()) == set()


def test_a_lead_who_breaks_off_in_a_consult_is_waited_for_until_the_worker_comes_to_the_colleague(
    notices: EventReader,
) -> None:
    consult(notices)
    assert kinds(notices.changes(event("Hangup", {**LEG, **BROKEN}, NAMED))) == [Changed]
    assert notices.lost_agents(now()) == {1}
    assert kinds(notices.changes(enters(CALLER, "room"))) == [WorkerMoved, LeftCall, Resumed]
    assert notices.lost_agents(now()) == set()
    assert kinds(notices.changes(event("Hangup", {**CALLER, **UP}, NAMED))) == [Ended], "nobody dropped her"


def test_a_colleague_who_breaks_off_is_not_waited_for(notices: EventReader) -> None:
    consult(notices)
    assert kinds(notices.changes(event("Hangup", {**BOB, **BROKEN}, CALLED_IN))) == [PartyGone, LeftCall]
    assert notices.lost_agents(now()) == set()


def test_supervisors_ring_without_a_word_and_the_one_who_answers_gets_it_in_the_room(notices: EventReader) -> None:
    summons = {"Channel": "Local/call@summon-00000001;2", "Uniqueid": f"{PARTY};2", "Linkedid": PARTY}
    legs = [{"Channel": f"PJSIP/agent{n}-0000000{n}", "Uniqueid": f"7.{n}", "Linkedid": PARTY} for n in (4, 5)]

    def rung(name: str, leg: dict[str, str], status: str = "") -> AmiMessage:
        dest = {f"Dest{key}": value for key, value in leg.items()}
        return event(name, {**summons, **dest, "DialStatus": status}, {}, NAMED)

    assert [kinds(notices.changes(rung("DialBegin", leg))) for leg in legs] == [[RingStarted], [RingStarted]]
    assert notices.changes(rung("DialEnd", legs[0], "ANSWER")) == [], "she is asked in; the worker is not hers"
    (stopped,) = notices.changes(event("Hangup", {**legs[1], "ChannelState": "5", "Cause": "26"}, NAMED))
    assert isinstance(stopped, StoppedRinging)
    (there,) = notices.changes(enters(legs[0], "room", CALLED_IN))
    assert isinstance(there, PartyMoved)
    assert there.agent_id == 4
    changes = notices.changes(event("Hangup", {**legs[0], **UP}, CALLED_IN))
    assert kinds(changes) == [PartyGone, LeftCall]


def test_summons_that_nobody_answered_end_the_party(notices: EventReader) -> None:
    summons = {"Channel": "Local/call@summon-00000001;2", "Uniqueid": f"{PARTY};2", "Linkedid": PARTY}
    (gone,) = notices.changes(event("Hangup", {**summons, "ChannelState": "4", "Cause": "0"}, CALLED_IN))
    assert isinstance(gone, PartyGone)
    assert gone.leg == PARTY


OURS = {names.CALL: "ours"}
HERS = {**OURS, names.LEG: names.LEG_WORKER}
OUT = {"Channel": "PJSIP/agent1-00000001", "Uniqueid": "8.1", "Linkedid": "8.1", "Context": "call-back"}
WORKER = {"Channel": "PJSIP/trunk-00000002", "Uniqueid": "8.2", "Linkedid": "8.1", "Context": "from-trunk"}


def calling_out() -> EventReader:
    """Alice has picked up her own phone, and the worker's rings."""
    notices = EventReader(LINES)
    assert kinds(notices.changes(event("DialBegin", {f"Dest{k}": v for k, v in OUT.items()}, {}, OURS))) == [
        RingStarted
    ]
    (calling,) = notices.changes(event("Newstate", {**OUT, "ChannelState": "6"}, OURS))
    assert isinstance(calling, CallbackDialled)
    assert (calling.call.call, calling.call.linkedid, calling.call.ours) == ("ours", "8.1", True)
    dest = {f"Dest{key}": value for key, value in WORKER.items()}
    assert notices.changes(event("DialBegin", {**OUT, **dest}, OURS, HERS)) == []
    return notices


def test_a_worker_whom_we_called_is_answered_when_she_is_together_with_the_agent() -> None:
    notices = calling_out()
    answered, placed = notices.changes(enters(WORKER, "two", HERS))
    assert isinstance(answered, Answered)
    assert (answered.agent_id, answered.call.ours) == (1, True)
    assert isinstance(placed, WorkerMoved)
    assert kinds(notices.changes(enters(WORKER, "room", HERS))) == [WorkerMoved], "once"
    (ended,) = notices.changes(event("Hangup", {**WORKER, **UP}, HERS))
    assert isinstance(ended, Ended)
    assert ended.call.ours
    assert kinds(notices.changes(event("Hangup", {**OUT, **UP}, OURS))) == [LeftCall]


def test_a_worker_whom_we_called_and_who_is_busy_ends_the_call_before_the_agent_does() -> None:
    notices = calling_out()
    assert kinds(notices.changes(event("Hangup", {**WORKER, "ChannelState": "5", "Cause": "17"}, HERS))) == [Ended]
    assert kinds(notices.changes(event("Hangup", {**OUT, **UP}, OURS))) == [LeftCall]


def test_a_carrier_that_fails_while_we_call_her_has_dropped_nobody() -> None:
    notices = calling_out()
    assert kinds(notices.changes(event("Hangup", {**WORKER, "ChannelState": "5", "Cause": "38"}, HERS))) == [Ended]


def test_a_call_of_ours_without_a_worker_ends_with_the_agents_leg() -> None:
    notices = EventReader(LINES)
    notices.changes(event("DialBegin", {f"Dest{k}": v for k, v in OUT.items()}, {}, OURS))
    changes = notices.changes(event("Hangup", {**OUT, "ChannelState": "5", "Cause": "21"}, OURS))
    assert kinds(changes) == [StoppedRinging, Ended]
    assert isinstance(changes[1], Ended)
    assert not changes[1].dialled, "no worker was rung"
    notices = EventReader(LINES)
    notices.changes(event("Newstate", {**OUT, "ChannelState": "6"}, OURS))
    ended = notices.changes(event("Hangup", {**OUT, **UP}, OURS))[-1]
    assert isinstance(ended, Ended)
    assert ended.dialled, "she picked up, so the worker may have been rung"


def test_a_snapshot_in_the_middle_of_a_consult_knows_the_lead_and_the_party() -> None:
    notices = EventReader(LINES)
    rows = [
        event("CoreShowChannel", {**CALLER, "BridgeId": "", "ChannelState": "6"}, NAMED),
        event("CoreShowChannel", {**LEG, "BridgeId": "room", "ChannelState": "6"}, NAMED),
        event("CoreShowChannel", {**BOB, "BridgeId": "room", "ChannelState": "6"}, CALLED_IN),
    ]
    arrived, there = notices.in_progress(rows)
    assert isinstance(arrived, Arrived)
    assert isinstance(there, PartyMoved)
    assert kinds(notices.changes(event("Hangup", {**LEG, **UP}, NAMED))) == [LeftCall]
    assert kinds(notices.changes(enters(CALLER, "room"))) == [WorkerMoved, Resumed]


def test_a_lead_who_is_on_her_way_into_the_room_in_a_snapshot_leads_all_the_same() -> None:
    notices = EventReader(LINES)
    rows = [
        event("CoreShowChannel", {**CALLER, "BridgeId": "", "ChannelState": "6"}, NAMED),
        event("CoreShowChannel", {**LEG, "BridgeId": "", "ChannelState": "6"}, NAMED),
        event("CoreShowChannel", {**BOB, "BridgeId": "", "ChannelState": "6"}, CALLED_IN),
    ]
    assert kinds(notices.in_progress(rows)) == [Arrived]
    notices.changes(enters(BOB, "room", CALLED_IN))
    notices.changes(event("Hangup", {**LEG, **UP}, NAMED))
    assert kinds(notices.changes(enters(CALLER, "room"))) == [WorkerMoved, Resumed]


def test_a_snapshot_adds_to_what_events_told_a_moment_before_it() -> None:
    notices = EventReader(LINES)
    notices.changes(event("Newstate", {**LEG, "ChannelState": "6"}, NAMED))
    rows = [
        event("CoreShowChannel", {**CALLER, "BridgeId": "two", "ChannelState": "6"}, NAMED),
        event("CoreShowChannel", {**LEG, "BridgeId": "two", "ChannelState": "6"}, NAMED),
    ]
    assert kinds(notices.in_progress(rows)) == [Arrived, Answered]


def test_a_snapshot_of_a_colleague_who_has_taken_over_says_that_the_worker_is_hers() -> None:
    rows = [
        event("CoreShowChannel", {**CALLER, "BridgeId": "room", "ChannelState": "6"}, NAMED),
        event("CoreShowChannel", {**BOB, "BridgeId": "room", "ChannelState": "6"}, CALLED_IN),
    ]
    _, resumed, _ = EventReader(LINES).in_progress(rows)
    assert isinstance(resumed, Resumed)
    assert (resumed.agent_id, resumed.call.call) == (2, CALL)


def test_a_snapshot_of_a_call_of_ours_is_no_arrival_and_a_ring_in_it_is_one() -> None:
    rows = [
        event("CoreShowChannel", {**OUT, "BridgeId": "two", "ChannelState": "6"}, OURS),
        event("CoreShowChannel", {**WORKER, "BridgeId": "two", "ChannelState": "6"}, HERS),
        event("CoreShowChannel", {**LEG, "BridgeId": "", "ChannelState": "5"}, NAMED),
    ]
    changes = EventReader(LINES).in_progress(rows)
    assert kinds(changes) == [RingStarted, Answered]
    assert isinstance(changes[1], Answered)
    assert changes[1].call.ours


def test_who_is_rung_for_a_conversation_that_is_over_rings_no_longer(notices: EventReader) -> None:
    """The worker hung up, and Alice is sent home; Bob's phone would ring on for nobody."""
    notices.changes(leaves(CALLER, "two"))
    notices.changes(leaves(LEG, "two"))
    notices.changes(enters(LEG, "room"))
    notices.changes(event("Newstate", {**BOB, "ChannelState": "5"}, CALLED_IN))
    notices.changes(event("Hangup", {**CALLER, **UP}, NAMED))
    assert notices.orphaned_rings() == [], "Alice is there still"
    notices.changes(leaves(LEG, "room"))
    notices.changes(event("Hangup", {**LEG, **UP}, NAMED))
    assert notices.orphaned_rings() == [BOB["Channel"]]
    assert notices.orphaned_rings() == []


def test_who_talk_on_without_the_worker_are_left_to_it(notices: EventReader) -> None:
    """An agent and an ambulance."""
    consult(notices)
    notices.changes(event("Hangup", {**CALLER, **UP}, NAMED))
    notices.changes(event("Hangup", {**LEG, **UP}, NAMED))
    assert notices.orphaned_rings() == [], "Bob is in the room, not rung"
