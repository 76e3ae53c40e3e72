from datetime import timedelta

import pytest

from models.db.types import now
from telephony import names
from telephony.switchboard.ami_events import COMES_BACK, EventReader
from telephony.switchboard.changes.calls import (
    Answered,
    Arrived,
    Changed,
    Dropped,
    Ended,
    LeftCall,
    PhoneSeen,
    Queued,
    Resumed,
)
from telephony.switchboard.changes.recording import NotRecorded
from telephony.switchboard.changes.rings import Missed, RingStarted, StoppedRinging
from tests.support.ami_wire import CALL, CALLER, LEG, NAMED, TRUNK, UID, dial, event

LINES = {"1800123456": "+661800123456"}


def test_asterisk_is_asked_for_just_the_events_that_are_understood() -> None:
    assert set(names.EVENTS_HEARD) == {*EventReader(LINES)._kinds, "FullyBooted"}


def in_a_queue() -> EventReader:
    """A call that has arrived, with its name known."""
    notices = EventReader(LINES)
    notices.changes(event("Newchannel", TRUNK))
    notices.changes(event("Newstate", CALLER, NAMED))
    return notices


def in_a_call() -> EventReader:
    """Alice, who is agent 1, has answered it."""
    notices = in_a_queue()
    notices.changes(dial("DialBegin", CALLER, LEG))
    notices.changes(dial("DialEnd", CALLER, LEG, "ANSWER"))
    notices.changes(event("AgentConnect", {**CALLER, "Queue": "my", "Interface": "PJSIP/agent1"}, NAMED))
    return notices


def test_the_arrival_waits_for_the_event_that_names_the_call_and_keeps_its_own_moment() -> None:
    notices = EventReader(LINES)
    first = event("Newchannel", TRUNK, {"FREELINE_CALL": ""})
    assert notices.changes(first) == []
    (arrived,) = notices.changes(event("Newstate", CALLER, NAMED))
    assert isinstance(arrived, Arrived)
    assert (arrived.call.call, arrived.call.linkedid) == (CALL, UID)
    assert arrived.call.arrived_at == first.at
    assert arrived.call.line == "+661800123456", "the line is the organisation's, however the trunk dialled it"
    assert notices.changes(event("NewCallerid", CALLER, NAMED)) == [], "it arrives once"


def test_nothing_ever_holds_the_callers_number() -> None:
    notices = EventReader(LINES)
    notices.changes(event("Newchannel", TRUNK))
    changes = notices.changes(event("Newstate", {**CALLER, "CallerIDNum": "0812345678"}, NAMED))
    changes += notices.changes(event("Hangup", CALLER, NAMED))
    assert "0812345678" not in repr(changes)


def test_an_answered_call_is_queued_answered_left_and_ended_in_that_order() -> None:
    notices = in_a_queue()
    seen = [
        *notices.changes(event("QueueCallerJoin", {**CALLER, "Queue": "my"}, NAMED)),
        *notices.changes(dial("DialBegin", CALLER, LEG)),
        *notices.changes(dial("DialEnd", CALLER, LEG, "ANSWER")),
        *notices.changes(event("QueueCallerLeave", {**CALLER, "Queue": "my"}, NAMED)),
        *notices.changes(event("AgentConnect", {**CALLER, "Queue": "my", "Interface": "PJSIP/agent1"}, NAMED)),
        *notices.changes(event("AgentComplete", {**CALLER, "Interface": "PJSIP/agent1"}, NAMED)),
        *notices.changes(event("Hangup", {**LEG, "ChannelState": "6", "Cause": "16"}, NAMED)),
        *notices.changes(event("Hangup", {**CALLER, "Cause": "16"}, NAMED)),
    ]
    assert [type(change) for change in seen] == [
        Queued,
        RingStarted,
        Resumed,
        NotRecorded,
        Changed,
        Answered,
        LeftCall,
        Ended,
    ]
    assert seen[0].queue == "my"
    assert seen[5].agent_id == 1
    assert seen[-1].call.call == CALL


def test_an_abandoned_call_ends_once_and_nobody_missed_it() -> None:
    notices = in_a_queue()
    notices.changes(event("QueueCallerJoin", {**CALLER, "Queue": "my"}, NAMED))
    seen = [
        *notices.changes(dial("DialBegin", CALLER, LEG)),
        *notices.changes(dial("DialEnd", CALLER, LEG, "CANCEL")),
        *notices.changes(event("QueueCallerAbandon", {**CALLER, "Queue": "my"}, NAMED)),
        *notices.changes(event("QueueCallerLeave", {**CALLER, "Queue": "my"}, NAMED)),
        *notices.changes(event("Hangup", {**LEG, "ChannelState": "5", "Cause": "0"}, NAMED)),
        *notices.changes(event("Hangup", CALLER, NAMED)),
    ]
    assert [type(change) for change in seen] == [RingStarted, Changed, Changed, StoppedRinging, Ended]


def test_a_ring_nobody_answers_is_missed_by_her_whose_phone_rang() -> None:
    notices = in_a_queue()
    notices.changes(dial("DialBegin", CALLER, {**LEG, "Channel": "PJSIP/agent7-00000001"}))
    (missed,) = notices.changes(event("AgentRingNoAnswer", {**CALLER, "Interface": "PJSIP/agent7"}, NAMED))
    mobile = {**CALLER, "Interface": "Local/m7@confirm/n"}
    (at_home,) = notices.changes(event("AgentRingNoAnswer", mobile, NAMED))
    assert isinstance(at_home, Missed)
    assert at_home.mobile
    assert isinstance(missed, Missed)
    assert missed.agent_id == 7


def test_a_call_that_ends_before_it_was_named_still_ends() -> None:
    notices = EventReader(LINES)
    notices.changes(event("Newchannel", TRUNK))
    (ended,) = notices.changes(event("Hangup", TRUNK))
    assert isinstance(ended, Ended)
    assert ended.call.name == f"linkedid:{UID}"


def test_a_hangup_after_a_lost_connection_ends_a_call_whose_arrival_was_not_seen() -> None:
    arrived, ended = EventReader(LINES).changes(event("Hangup", CALLER, NAMED))
    assert isinstance(arrived, Arrived)
    assert isinstance(ended, Ended)
    assert ended.call.call == CALL


def test_what_an_agent_dials_herself_is_no_call_of_ours() -> None:
    own = {
        "Channel": "PJSIP/agent1-00000009",
        "Uniqueid": "5.5",
        "Linkedid": "5.5",
        "Context": "agents",
        "Exten": "echo",
    }
    notices = EventReader(LINES)
    assert [notices.changes(event(name, own)) for name in ("Newchannel", "Newstate", "Hangup")] == [[], [], []]


def test_an_agent_whose_leg_breaks_off_is_kept_for_her_caller_until_she_is_back() -> None:
    notices = in_a_call()
    (change,) = notices.changes(event("Hangup", {**LEG, "ChannelState": "6", "Cause": "44"}, NAMED))
    assert isinstance(change, Changed), "she is not free: her caller waits for her"
    assert notices.lost_agents(now()) == {1}
    again = {**LEG, "Channel": "PJSIP/agent1-00000002", "Uniqueid": "1795364862.17"}
    (rings,) = notices.changes(dial("DialBegin", CALLER, again))
    assert isinstance(rings, RingStarted)
    back, silent = notices.changes(dial("DialEnd", CALLER, again, "ANSWER"))
    assert isinstance(silent, NotRecorded), "the recorder left with the room"
    assert isinstance(back, Resumed)
    assert notices.lost_agents(now()) == set()
    gone = notices.changes(event("Hangup", {**CALLER, "Cause": "44"}, NAMED))
    assert [type(c) for c in gone] == [Ended], "it was mended, and the cause is that of the agent's leg"


@pytest.mark.parametrize("cause", ["27", "38", "41", "44", "102"])
def test_a_worker_whose_own_line_breaks_while_somebody_has_her_was_dropped(cause: str) -> None:
    dropped, ended = in_a_call().changes(event("Hangup", {**CALLER, "Cause": cause}, NAMED))
    assert isinstance(dropped, Dropped)
    assert isinstance(ended, Ended)
    waits = in_a_queue().changes(event("Hangup", {**CALLER, "Cause": cause}, NAMED))
    assert [type(change) for change in waits] == [Ended], "nobody had her yet"


@pytest.mark.parametrize("cause", ["0", "16", "17", "31"])
def test_a_worker_who_hangs_up_was_not_dropped(cause: str) -> None:
    (ended,) = in_a_call().changes(event("Hangup", {**CALLER, "Cause": cause}, NAMED))
    assert isinstance(ended, Ended)


def test_a_caller_who_does_not_wait_for_a_lost_agent_sets_her_free_and_was_dropped() -> None:
    notices = in_a_call()
    notices.changes(event("Hangup", {**LEG, "ChannelState": "6", "Cause": "44"}, NAMED))
    dropped, left, ended = notices.changes(event("Hangup", CALLER, NAMED))
    assert isinstance(dropped, Dropped)
    assert isinstance(left, LeftCall)
    assert (left.agent_id, left.call, left.wrap_up) == (1, CALL, True)
    assert isinstance(ended, Ended)
    assert notices.lost_agents(now()) == set()


def test_a_call_that_breaks_off_on_the_workers_side_keeps_no_agent_waiting() -> None:
    notices = in_a_call()
    assert [type(c) for c in notices.changes(event("Hangup", {**CALLER, "Cause": "44"}, NAMED))] == [Dropped, Ended]
    (left,) = notices.changes(event("Hangup", {**LEG, "ChannelState": "6", "Cause": "44"}, NAMED))
    assert isinstance(left, LeftCall), "nobody is left to wait for her"


def test_a_lost_agent_is_free_as_soon_as_another_has_her_caller() -> None:
    notices = in_a_call()
    notices.changes(event("Hangup", {**LEG, "ChannelState": "6", "Cause": "44"}, NAMED))
    left, answered = notices.changes(event("AgentConnect", {**CALLER, "Interface": "PJSIP/agent2"}, NAMED))
    assert isinstance(left, LeftCall)
    assert isinstance(answered, Answered)
    assert (left.agent_id, answered.agent_id) == (1, 2)


def test_a_lost_agent_is_free_when_her_caller_is_back_in_the_queue_and_who_gives_up_there_was_dropped() -> None:
    notices = in_a_call()
    notices.changes(event("Hangup", {**LEG, "ChannelState": "6", "Cause": "44"}, NAMED))
    left, queued = notices.changes(event("QueueCallerJoin", {**CALLER, "Queue": "my"}, NAMED))
    assert isinstance(left, LeftCall)
    assert isinstance(queued, Queued)
    dropped, ended = notices.changes(event("Hangup", CALLER, NAMED))
    assert isinstance(dropped, Dropped)
    assert isinstance(ended, Ended)


def test_a_call_that_goes_out_through_the_trunk_did_not_come_in() -> None:
    notices = EventReader(LINES)
    out = {**TRUNK, "Exten": "s", "ChannelState": "0"}
    assert notices.changes(event("Newchannel", out)) == []
    assert notices.changes(event("Hangup", out)) == []


def test_a_lost_agent_is_not_kept_for_ever() -> None:
    notices = in_a_call()
    notices.changes(event("Hangup", {**LEG, "ChannelState": "6", "Cause": "44"}, NAMED))
    assert notices.lost_agents(now()) == {1}
    assert notices.lost_agents(now() + COMES_BACK + timedelta(seconds=1)) == set()


def test_a_phone_is_told_of_when_it_changes_and_not_for_every_queue() -> None:
    notices = EventReader(LINES)
    seen = [
        change
        for status in ("1", "1", "6", "2", "5", "5", "1")
        for change in notices.changes(event("QueueMemberStatus", {"Interface": "PJSIP/agent1", "Status": status}))
    ]
    assert seen == [PhoneSeen(1, True), PhoneSeen(1, False), PhoneSeen(1, True)]
    assert notices.changes(event("QueueMemberStatus", {"Interface": "PJSIP/softphone", "Status": "5"})) == []
    mobile = {"Interface": "Local/m1@confirm/n", "Status": "5"}
    assert notices.changes(event("QueueMemberStatus", mobile)) == [], "a mobile is another phone"


def test_a_snapshot_shows_who_is_there_and_who_talks_with_whom() -> None:
    rows = [
        event("CoreShowChannel", {**CALLER, "Duration": "00:01:30", "BridgeId": "b1"}, NAMED),
        event("CoreShowChannel", {**LEG, "Duration": "00:01:10", "BridgeId": "b1"}, NAMED),
        event("CoreShowChannel", {**TRUNK, "Uniqueid": "9.1", "Linkedid": "9.1", "Duration": "odd", "BridgeId": ""}),
    ]
    notices = EventReader(LINES)
    arrived, answered = notices.in_progress(rows)
    assert isinstance(arrived, Arrived)
    assert arrived.call.arrived_at == rows[0].at - timedelta(seconds=90)
    assert isinstance(answered, Answered)
    assert (answered.agent_id, answered.call.call) == (1, CALL)
    (named,) = notices.changes(
        event("Newstate", {**CALLER, "Uniqueid": "9.1", "Linkedid": "9.1"}, {"FREELINE_CALL": "another"})
    )
    assert isinstance(named, Arrived), "a call that is not named yet in the snapshot is named by a later event"


def test_an_event_without_what_it_should_have_changes_nothing() -> None:
    for name in (
        "Newchannel",
        "QueueCallerJoin",
        "AgentConnect",
        "AgentComplete",
        "DialBegin",
        "DialEnd",
        "BridgeEnter",
        "BridgeLeave",
        "MusicOnHoldStart",
        "Newstate",
        "Hangup",
        "AgentRingNoAnswer",
    ):
        assert EventReader(LINES).changes(event(name)) == []
