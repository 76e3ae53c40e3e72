from hypothesis import given
from hypothesis import strategies as st

from hotline.queue.members import PENALTY_BUSY, Member
from telephony import names
from telephony.names import agent_of
from telephony.switchboard.queue_sync import Queues, difference, queues_in
from tests.support.ami_wire import event

QUEUES = ["my", "th", "km"]
members = st.dictionaries(
    st.tuples(st.sampled_from(QUEUES), st.sampled_from(["PJSIP/agent1", "PJSIP/agent30", "Local/m1@confirm/n"])),
    st.tuples(st.sampled_from([0, 10, PENALTY_BUSY]), st.booleans()),
).map(lambda found: frozenset(Member(*place, *state) for place, state in found.items()))


def applied(actions: list[dict[str, str]], before: frozenset[Member]) -> frozenset[Member]:
    """What Asterisk would have after these actions; it refuses to add twice or to change who is not there."""
    there = {(m.queue, m.interface): m for m in before}
    for action in actions:
        place = (action["Queue"], action["Interface"])
        assert (place in there) == (action["Action"] != "QueueAdd")
        if action["Action"] == "QueueRemove":
            del there[place]
            continue
        old = there.get(place, Member(*place, 0, False))
        penalty = int(action.get("Penalty", old.penalty))
        paused = action["Paused"] == "true" if "Paused" in action else old.paused
        there[place] = Member(*place, penalty, paused)
    return frozenset(there.values())


@given(desired=members, actual=members)
def test_the_actions_make_asterisk_equal_to_the_database(desired: frozenset[Member], actual: frozenset[Member]) -> None:
    actions = difference(desired, Queues(frozenset(QUEUES), actual))
    assert applied(actions, actual) == desired
    assert difference(desired, Queues(frozenset(QUEUES), desired)) == []


def test_who_is_not_ready_is_paused_and_never_removed() -> None:
    ready, paused = Member("my", "PJSIP/agent1", 0, False), Member("my", "PJSIP/agent1", 0, True)
    assert [a["Action"] for a in difference({paused}, Queues(frozenset(["my"]), frozenset({ready})))] == ["QueuePause"]


def test_a_new_member_is_added_whole_with_the_phone_whose_state_counts() -> None:
    (action,) = difference({Member("my", "PJSIP/agent1", 10, True)}, Queues(frozenset(["my"]), frozenset()))
    assert action == {
        "Action": "QueueAdd",
        "Queue": "my",
        "Interface": "PJSIP/agent1",
        "Penalty": "10",
        "Paused": "true",
        "StateInterface": "PJSIP/agent1",
    }


def test_a_mobile_is_a_member_of_its_own_by_its_own_state() -> None:
    mobile = Member("my", "Local/m4@confirm/n", 0, False)
    (action,) = difference({mobile}, Queues(frozenset(["my"]), frozenset()))
    assert action["Interface"] == action["StateInterface"] == names.mobile_interface(4)
    row = event("QueueMember", {"Queue": "my", "Location": "Local/m4@confirm/n", "Penalty": "0", "Paused": "0"})
    assert queues_in([row]).members == {mobile}


def test_who_is_on_a_call_keeps_her_place_and_changes_only_her_penalty() -> None:
    ready, busy = Member("my", "PJSIP/agent1", 0, False), Member("my", "PJSIP/agent1", PENALTY_BUSY, False)
    (action,) = difference({busy}, Queues(frozenset(["my"]), frozenset({ready})))
    assert (action["Action"], action["Penalty"]) == ("QueuePenalty", "1000")


def test_a_queue_asterisk_does_not_have_is_left_out() -> None:
    assert difference({Member("xx", "PJSIP/agent1", 0, False)}, Queues(frozenset(["my"]), frozenset())) == []


def test_members_that_somebody_else_put_there_are_not_touched() -> None:
    rows = [
        event("QueueParams", {"Queue": "my"}),
        event("QueueMember", {"Queue": "my", "Location": "Local/home@agents/n", "Penalty": "3", "Paused": "0"}),
        event("QueueMember", {"Queue": "my", "Location": "PJSIP/agent4", "Penalty": "10", "Paused": "1"}),
    ]
    actual = queues_in(rows)
    assert actual == Queues(frozenset(["my"]), frozenset({Member("my", "PJSIP/agent4", 10, True)}))
    assert [a["Interface"] for a in difference(set(), actual)] == ["PJSIP/agent4"]


def test_agents_are_known_by_interface_and_by_channel() -> None:
    assert agent_of("PJSIP/agent12") == 12
    assert agent_of("PJSIP/agent12-0000a1f3") == 12
    assert agent_of("Local/m12@confirm/n") == 12
    assert agent_of("Local/m12@confirm-0000a1f3;1") == 12
    assert agent_of("Local/m12@confirm-0000a1f3;2") == 12
    assert agent_of("Local/call@summon-00000001;1") is None
    assert agent_of("PJSIP/agentx-1") is None
    assert agent_of("PJSIP/trunk-00000001") is None
    assert agent_of("") is None
