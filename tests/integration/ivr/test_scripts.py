"""What a caller goes through, on the wire and in the database. Whatever she does, she gets further."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import select

from hotline.calls.facts import Fact
from hotline.settings import Settings
from hotline.staff import states as agents
from ivr.scripts import SCRIPTS
from models import AgentStatus, CallbackSafety, Caller, Contact, Database
from models.db.types import now
from telephony import names
from tests.fakes.asterisk_agi import FakeCall
from tests.support.cast import Cast

Callers = Callable[..., FakeCall]
INVITATIONS = [f"{code}/invite" for code in ("my", "th", "km", "lo", "vi", "en", "ko")]


def row(db: Database, call: FakeCall) -> Contact | None:
    with db.write() as session:
        return session.exec(select(Contact).where(Contact.call == call.call)).first()


def ready(db: Database, agent_id: int | None, status: AgentStatus = AgentStatus.READY) -> None:
    with db.write() as session:
        agents.set_reachable(session, agent_id or 0, True)
        agents.set_status(session, agent_id or 0, status)


def chooses(call: FakeCall, key: str) -> FakeCall:
    call.keys = {"my/invite": [key]}
    assert call.run(names.ANSWER)
    assert call.run(names.CHOOSE_LANGUAGE)
    return call


# answer


def test_answer_keeps_the_arrival_and_says_only_the_opening(caller: Callers, ivr_db: Database) -> None:
    call = caller(variables={names.ARRIVED: "1790000000"})
    assert call.run(names.ANSWER)
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.arrived_at.timestamp() == 1790000000
    assert (kept.line, kept.linkedid) == ("1800123456", call.linkedid)
    assert kept.caller_id is not None
    assert call.played == ["en/opening"]


def test_a_withheld_number_is_a_call_like_any_other(caller: Callers, ivr_db: Database) -> None:
    call = caller(number="")
    assert call.run(names.ANSWER)
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.caller_id is None


def test_the_number_is_nowhere_in_the_clear(caller: Callers, settings: Settings) -> None:
    call = chooses(caller(), "1")
    assert call.run(names.LEAVE_VOICEMAIL)
    found = [p for p in settings.data.rglob("*") if p.is_file() and b"812345678" in p.read_bytes()]
    assert found == []


# choose_language


def test_each_language_invites_in_itself_and_a_key_chooses(caller: Callers, ivr_db: Database) -> None:
    call = caller(keys={"lo/invite": ["2"]})
    assert call.run(names.ANSWER)
    assert call.run(names.CHOOSE_LANGUAGE)
    assert call.played == ["en/opening", "en/quiet", *INVITATIONS[:4]]
    assert call.variables[names.QUEUE] == "th"
    assert call.variables["CHANNEL(language)"] == "th"
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.language == "th"
    assert kept.key_at is not None
    assert kept.language_at is not None


@pytest.mark.parametrize("where", ["en/opening", "en/quiet", *INVITATIONS, "wait"])
def test_a_key_pressed_at_any_moment_counts(caller: Callers, where: str) -> None:
    call = caller(keys={where: ["1"]})
    assert call.run(names.ANSWER)
    assert call.run(names.CHOOSE_LANGUAGE)
    assert call.variables[names.QUEUE] == "my"
    assert len(call.played) == len({*call.played}), "nothing was said twice"


def test_silence_ends_with_the_language_for_no_key_and_never_with_a_hang_up(
    caller: Callers, ivr_db: Database, settings: Settings
) -> None:
    call = caller()
    assert call.run(names.CHOOSE_LANGUAGE)
    assert call.played == ["en/quiet", *INVITATIONS * settings.wrong_keys]
    assert call.variables[names.QUEUE] == "en"
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.key_at is None
    assert kept.language == "en"


def test_three_wrong_keys_end_at_a_person_or_a_message(caller: Callers, ivr_db: Database, settings: Settings) -> None:
    call = caller(keys={"my/invite": ["9", "*", "#"]})
    assert call.run(names.CHOOSE_LANGUAGE)
    assert call.played.count("en/wrong_key") == settings.wrong_keys
    assert call.variables[names.QUEUE] == "en"
    assert call.run(names.ROUTE)
    assert call.variables[names.WAY] in {names.WAY_QUEUE, names.WAY_MESSAGE}
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.key_at is not None, "a caller who pressed a key is not closed as a brief abandon"


def test_a_wrong_key_and_then_a_right_one_chooses(caller: Callers) -> None:
    call = caller(keys={"my/invite": ["9", "3"]})
    assert call.run(names.CHOOSE_LANGUAGE)
    assert call.variables[names.QUEUE] == "km"


def test_a_key_pressed_during_the_correction_counts(caller: Callers) -> None:
    call = caller(keys={"my/invite": ["9"], "en/wrong_key": ["3"]})
    assert call.run(names.CHOOSE_LANGUAGE)
    assert call.variables[names.QUEUE] == "km"
    assert call.played.count("my/invite") == 1


def test_who_cannot_speak_presses_0_and_goes_on_at_once(caller: Callers, ivr_db: Database) -> None:
    call = caller(keys={"en/quiet": ["0"]})
    assert call.run(names.CHOOSE_LANGUAGE)
    assert call.played == ["en/quiet"]
    assert call.variables[names.QUEUE] == "en"
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.key_at is not None


def test_a_repeat_caller_is_offered_her_last_language_first(caller: Callers) -> None:
    chooses(caller(), "1")
    again = caller(keys={"my/again": ["1"]})
    assert again.run(names.ANSWER)
    assert again.run(names.CHOOSE_LANGUAGE)
    assert again.played == ["my/opening", "my/quiet", "my/again"]
    assert again.variables[names.QUEUE] == "my"


def test_a_repeat_caller_may_choose_another_language_and_that_is_remembered(caller: Callers) -> None:
    chooses(caller(), "1")
    chooses(caller(), "4")
    third = caller()
    assert third.run(names.ANSWER)
    assert third.played == ["lo/opening"]


def test_a_repeat_caller_who_cannot_speak_goes_on_in_her_language(caller: Callers) -> None:
    chooses(caller(), "1")
    again = caller(keys={"my/opening": ["0"]})
    assert again.run(names.ANSWER)
    assert again.run(names.CHOOSE_LANGUAGE)
    assert again.variables[names.QUEUE] == "my"


def test_silence_does_not_overwrite_what_a_caller_chose_before(caller: Callers) -> None:
    chooses(caller(), "1")
    silent = caller()
    assert silent.run(names.ANSWER)
    assert silent.run(names.CHOOSE_LANGUAGE)
    assert silent.variables[names.QUEUE] == "en"
    third = caller()
    assert third.run(names.ANSWER)
    assert third.played == ["my/opening"]


def test_a_choice_of_more_than_a_year_ago_is_not_offered(caller: Callers, ivr_db: Database) -> None:
    chooses(caller(), "1")
    with ivr_db.write() as session:
        found = session.exec(select(Caller)).one()
        found.last_seen_at = now() - timedelta(days=400)
        session.add(found)
    again = caller()
    assert again.run(names.ANSWER)
    assert again.run(names.CHOOSE_LANGUAGE)
    assert "my/again" not in again.played


def test_a_prompt_that_is_missing_is_passed_over(caller: Callers, settings: Settings) -> None:
    for path in (settings.sounds / "my").glob("*"):
        path.unlink()
    call = caller(keys={"th/invite": ["1"]})
    assert call.run(names.CHOOSE_LANGUAGE)
    assert "my/invite" not in call.played
    assert "en/invite" not in call.played, "English would say its own key"
    assert call.variables[names.QUEUE] == "my"
    assert call.run(names.ROUTE)
    assert call.played[-1] == "en/nobody"


# route


def test_nobody_there_is_the_message_at_once(caller: Callers) -> None:
    call = caller(variables={names.QUEUE: "my"})
    assert call.run(names.ROUTE)
    assert call.variables[names.WAY] == names.WAY_MESSAGE
    assert call.played == ["my/nobody"]


@pytest.mark.parametrize("status", [AgentStatus.READY, AgentStatus.ON_CALL])
def test_somebody_free_or_busy_is_the_queue(caller: Callers, ivr_db: Database, cast: Cast, status: AgentStatus) -> None:
    ready(ivr_db, cast.alice.id, status)
    call = caller(variables={names.QUEUE: "my"})
    assert call.run(names.ROUTE)
    assert (call.variables[names.WAY], call.variables[names.MAX_PENALTY]) == (names.WAY_QUEUE, "0")
    assert call.played == ["my/connecting"]


def test_only_a_backup_there_is_rung_at_once(caller: Callers, ivr_db: Database, cast: Cast) -> None:
    ready(ivr_db, cast.bob.id)
    call = caller(variables={names.QUEUE: "km"})
    assert call.run(names.ROUTE)
    assert (call.variables[names.WAY], call.variables[names.MAX_PENALTY]) == (names.WAY_QUEUE, "10")


@pytest.mark.parametrize("language", ["", "../../x", "xx"])
def test_a_language_that_is_none_becomes_the_one_for_no_key(caller: Callers, language: str) -> None:
    call = caller(variables={names.QUEUE: language})
    assert call.run(names.ROUTE)
    assert call.played == ["en/nobody"]


# after_queue


def test_a_call_back_is_kept_before_it_is_asked_whether_it_is_safe(caller: Callers, ivr_db: Database) -> None:
    call = caller(variables={names.QUEUE: "my", names.CHOICE: names.CHOICE_CALLBACK}, keys={"my/safe_to_call": ["1"]})
    assert call.run(names.AFTER_QUEUE)
    assert call.variables[names.WAY] == names.WAY_END
    assert call.played == ["my/safe_to_call", "my/callback_noted", "my/goodbye"]
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.callback_at is not None
    assert kept.callback_said is CallbackSafety.SAFE


@pytest.mark.parametrize("pressed", [{}, {"my/safe_to_call": ["2"]}, {"wait": ["", "*"]}])
def test_anything_but_1_leaves_a_call_back_unknown(
    caller: Callers, ivr_db: Database, pressed: dict[str, list[str]]
) -> None:
    call = caller(variables={names.QUEUE: "my", names.CHOICE: names.CHOICE_CALLBACK}, keys=pressed)
    assert call.run(names.AFTER_QUEUE)
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.callback_at is not None
    assert kept.callback_said is CallbackSafety.UNKNOWN


def test_a_withheld_number_cannot_be_called_back_and_goes_to_the_message(caller: Callers, ivr_db: Database) -> None:
    call = caller(number="", variables={names.QUEUE: "my", names.CHOICE: names.CHOICE_CALLBACK})
    assert call.run(names.AFTER_QUEUE)
    assert call.variables[names.WAY] == names.WAY_MESSAGE
    assert call.played == ["my/number_withheld"]


def test_the_message_is_chosen_without_more_words(caller: Callers) -> None:
    call = caller(variables={names.QUEUE: "my", names.CHOICE: names.CHOICE_MESSAGE})
    assert call.run(names.AFTER_QUEUE)
    assert call.variables[names.WAY] == names.WAY_MESSAGE
    assert call.played == []


def test_after_a_conversation_the_line_says_goodbye(caller: Callers) -> None:
    call = caller(variables={names.QUEUE: "my", names.QUEUE_STATUS: "CONTINUE"})
    assert call.run(names.AFTER_QUEUE)
    assert call.variables[names.WAY] == names.WAY_END
    assert call.played == ["my/goodbye"]


def test_an_emptied_queue_is_entered_again_a_few_times_and_then_left_for_the_message(
    caller: Callers, ivr_db: Database, cast: Cast
) -> None:
    ready(ivr_db, cast.alice.id)
    call = caller(variables={names.QUEUE: "my", names.QUEUE_STATUS: "LEAVEEMPTY"})
    ways = []
    for _ in range(5):
        assert call.run(names.AFTER_QUEUE)
        ways.append(call.variables[names.WAY])
    assert ways == [names.WAY_QUEUE] * 3 + [names.WAY_MESSAGE] * 2
    assert call.played == ["my/nobody"] * 2


@pytest.mark.parametrize("status", ["TIMEOUT", "LEAVEEMPTY", "JOINEMPTY", "FULL", "", "NEWWORD"])
def test_a_queue_that_ends_with_nobody_there_is_the_message(caller: Callers, status: str) -> None:
    call = caller(variables={names.QUEUE: "my", names.QUEUE_STATUS: status})
    assert call.run(names.AFTER_QUEUE)
    assert call.variables[names.WAY] == names.WAY_MESSAGE
    assert call.played == ["my/nobody"]


def test_a_wait_that_reached_its_limit_is_not_begun_again(caller: Callers, ivr_db: Database, cast: Cast) -> None:
    ready(ivr_db, cast.alice.id)
    call = caller(variables={names.QUEUE: "my", names.QUEUE_STATUS: "TIMEOUT"})
    assert call.run(names.AFTER_QUEUE)
    assert call.variables[names.WAY] == names.WAY_MESSAGE


def test_the_facts_have_the_names_of_the_row() -> None:
    assert {fact.value for fact in Fact} <= set(Contact.model_fields)


def test_every_script_has_one_name() -> None:
    assert set(SCRIPTS) == {*names.SCRIPTS, names.PING}
    for name, function in SCRIPTS.items():
        assert (function.__module__, function.__name__) == (f"ivr.scripts.{name}", name)
