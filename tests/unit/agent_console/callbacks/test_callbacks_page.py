"""The page of call-backs: who stands where, the call itself, and what came of it."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from agent_console.labels import callbacks as callback_labels
from hotline.callbacks import attempts as callback_attempts
from hotline.keys import Keys
from hotline.safety.gate import Reason, Refusal
from hotline.settings import Settings
from models import (
    AttemptOutcome,
    Callback,
    CallbackEnd,
    CallbackKind,
    CallbackSafety,
    Contact,
    Database,
    Direction,
    Outcome,
)
from models.db.types import now
from telephony.operator.ami_actions import HALF_DONE
from telephony.operator.operator import LineFailed, Operator
from tests.support.browsers import BOOSTED, HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.owed_callbacks import (
    DIGITS,
    Wire,
    a_call,
    asterisk,
    hang_up,
    item_of,
    owe,
    phones_on,
    safety_of,
    say_safe,
    tries,
)


@pytest.fixture
def wire(settings: Settings, db: Database, staff: Cast) -> Iterator[Wire]:
    """A fake Asterisk that would dial; everybody's phone is there."""
    phones_on(db, staff)
    with asterisk(settings, staff) as it:
        yield it


@pytest.fixture
def owed(db: Database, keys: Keys, staff: Cast) -> tuple[int, int]:
    """A worker who may be called now; her case and her call-back."""
    return owe(db, keys, staff, cover_phrase="Clinic appointment", if_drops="we_call_back")


def flat(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def sections(text: str) -> dict[str, str]:
    """The panels of the page by their heading."""
    found = re.findall(r"<h2[^>]*>(.*?)</h2>(.*?)</section>", text, re.S)
    return {flat(head): flat(body) for head, body in found}


async def dial(browser: Browser, callback_id: int) -> None:
    assert (await browser.post(f"/callbacks/{callback_id}/attempts")).status == 303


async def say(browser: Browser, callback_id: int, outcome: str, attempt: int | None) -> int:
    answer = await browser.post(f"/callbacks/{callback_id}/outcome", HTMX, outcome=outcome, attempt=str(attempt))
    return answer.status


async def test_nothing_owed_says_what_will_stand_there(alice: Browser) -> None:
    """An empty page is explained."""
    text = await alice.text("/callbacks")
    assert "No call-back is owed" in text
    assert "Nobody is ever called by the machine" in text


async def test_each_call_back_stands_where_its_rule_puts_it(
    alice: Browser, wire: Wire, db: Database, keys: Keys, staff: Cast, settings: Settings
) -> None:
    """Who may be called now, who later with the hour, and who not at all with the reason instead of the button."""
    opens = now().astimezone(settings.zone).replace(minute=0) + timedelta(hours=2)
    later = a_call(db, keys, "later", number="0811111111")
    say_safe(db, later, staff, window=f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}")
    a_call(db, keys, "unknown", number="0822222222")
    _, due = owe(db, keys, staff, phone_owner="shared", message="neutral")
    text = await alice.text("/callbacks/list")
    found = sections(text)
    assert "Safe at any hour · shared phone · neutral message allowed" in found["Call now"]
    assert "2 h 59 m" in found["Call now"]
    assert f"{opens:%H:%M}" in found["Later"].partition("Opens")[2]
    assert re.search(r"in 1 h \d+ m|in 2 h 0 m", found["Later"])
    assert "Nobody knows whether contact is safe for the worker. Do not dial." in found["Not dialled"]
    assert re.findall(r'action="/callbacks/(\d+)/attempts"', text) == [str(due)]
    assert '1</span><span class="sr"> to call now' in await alice.text("/callbacks/count")


async def test_a_click_calls_her_and_asks_how_it_went(
    alice: Browser, bob: Browser, wire: Wire, owed: tuple[int, int], db: Database
) -> None:
    """The panel has what to say to whoever answers; a colleague is told who called."""
    case_id, callback_id = owed
    answer = await alice.post(f"/callbacks/{callback_id}/attempts", HTMX)
    assert answer.status == 200
    text = await answer.text()
    assert "<html" not in text, "only the list is drawn"
    (attempt,) = tries(db)
    with db.read() as session:
        contact = session.get_one(Contact, attempt.contact_id)
    assert contact.direction is Direction.OUTBOUND
    (call,) = wire.dialled
    assert contact.call in call["Variable"]
    for page in (text, await alice.text(f"/cases/{case_id}")):
        assert "How did it go?" in page
        assert "Clinic appointment" in page
        assert "hang up and say nothing: the worker agreed to no message" in page
        assert [outcome in page for outcome in AttemptOutcome] == [True] * 5
        assert f'name="attempt" value="{attempt.id}"' in page
        assert DIGITS not in page
        assert f"/callbacks/{callback_id}/attempts" not in page, "this comes first"
    assert "How did it go?" not in await bob.text("/callbacks")
    assert "This telephone is in a call with us now." in flat(await bob.text("/callbacks"))
    hang_up(db, answered=True)
    assert "Alice called the worker and has not said yet what came of it." in flat(await bob.text("/callbacks"))


@pytest.mark.parametrize(
    ("outcome", "end", "attempts", "safety"),
    [
        ("reached", CallbackEnd.REACHED, 1, CallbackSafety.SAFE),
        ("nobody", None, 1, CallbackSafety.SAFE),
        ("machine", None, 1, CallbackSafety.SAFE),
        ("somebody_else", CallbackEnd.UNSAFE, 1, CallbackSafety.UNSAFE),
        ("dropped", None, 1, CallbackSafety.SAFE),
    ],
)
async def test_what_came_of_it_decides_what_is_next(
    alice: Browser,
    wire: Wire,
    owed: tuple[int, int],
    db: Database,
    outcome: str,
    end: CallbackEnd | None,
    attempts: int,
    safety: CallbackSafety,
) -> None:
    """By the rules of call-backs; the timeline of the case has it in words."""
    case_id, callback_id = owed
    await dial(alice, callback_id)
    hang_up(db, answered=True)
    assert await say(alice, callback_id, outcome, tries(db)[0].id) == 200
    item = item_of(db, callback_id)
    assert (item.end, item.attempts) == (end, attempts)
    assert safety_of(db, case_id).callback is safety
    line = {"reached": "Reached the worker", "somebody_else": "Somebody else answered"}
    words = line.get(outcome, f"Called back: {outcome if outcome != 'machine' else 'a machine'}")
    text = flat(await alice.text(f"/cases/{case_id}"))
    assert words.replace("dropped", "line dropped") in text
    assert "Called the worker try 1 by Alice" in text


async def test_a_machine_may_hear_a_neutral_word_only_if_she_agreed(
    alice: Browser, wire: Wire, db: Database, keys: Keys, staff: Cast
) -> None:
    """And who answers instead of her hears that it is the wrong number, when she gave no phrase."""
    _, callback_id = owe(db, keys, staff, message="neutral")
    await dial(alice, callback_id)
    text = flat(await alice.text("/callbacks"))
    assert "you may say, in Burmese: Hello. I will call again another time. Goodbye." in text
    assert "Sorry, I have the wrong number. Goodbye." in text


async def test_a_form_of_an_earlier_call_says_nothing_of_a_later_one(
    alice: Browser, bob: Browser, wire: Wire, owed: tuple[int, int], db: Database
) -> None:
    """Two tabs, a slow colleague: only the newest call is spoken of, by whoever made it."""
    _, callback_id = owed
    await dial(alice, callback_id)
    hang_up(db, answered=True)
    first = tries(db)[0].id
    assert await say(bob, callback_id, "reached", first) == 409
    assert await say(alice, callback_id, "dropped", first) == 200
    await dial(alice, callback_id)
    hang_up(db, answered=True)
    for wrong in (first, None, 99999, 10**30):
        assert await say(alice, callback_id, "reached", wrong) == 409
    assert await say(alice, callback_id, "fine", tries(db)[1].id) == 409
    assert item_of(db, callback_id).ended_at is None
    assert await say(alice, callback_id, "reached", tries(db)[1].id) == 200


async def test_a_supervisor_says_it_for_somebody_who_has_gone(
    alice: Browser, signed_in: SignIn, wire: Wire, owed: tuple[int, int], db: Database, staff: Cast
) -> None:
    """Nothing stays blocked because one person went home."""
    _, callback_id = owed
    await dial(alice, callback_id)
    hang_up(db, answered=True)
    sofia = signed_in(staff.sofia)
    assert re.search(r"called \S+ by Alice", flat(await sofia.text("/callbacks")))
    assert await say(sofia, callback_id, "nobody", tries(db)[0].id) == 200


async def test_without_a_trunk_nothing_is_tried_and_nothing_is_filed(
    alice: Browser, wire: Wire, owed: tuple[int, int], db: Database, settings: Settings
) -> None:
    """The button is off and says why; a form that comes all the same is refused."""
    _, callback_id = owed
    settings.trunk_host = ""
    page = await alice.text("/callbacks")
    assert "No trunk is set up" in page
    assert f'action="/callbacks/{callback_id}/attempts"' not in page
    answer = await alice.post(f"/callbacks/{callback_id}/attempts", HTMX)
    assert answer.status == 409
    assert "No trunk is set up" in await answer.text()
    with db.read() as session:
        assert session.exec(select(Contact).where(Contact.direction == Direction.OUTBOUND)).all() == []
    settings.trunk_host = "127.0.0.1"
    await dial(alice, callback_id)
    assert len(wire.dialled) == 1


async def test_a_line_that_refuses_is_no_try_and_says_why(
    alice: Browser, wire: Wire, owed: tuple[int, int], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing rang, so nothing was tried, and the worker can be called at once when it is mended."""
    _, callback_id = owed

    def refuses(*_args: object) -> None:
        raise LineFailed("Your phone cannot ring just now.")

    with monkeypatch.context() as refusing:
        refusing.setattr(Operator, "call_back", refuses)
        answer = await alice.post(f"/callbacks/{callback_id}/attempts", HTMX)
    assert answer.status == 409
    assert "cannot ring just now" in await answer.text()
    assert tries(db) == []
    assert item_of(db, callback_id).attempts == 0
    with db.read() as session:
        ours = session.exec(select(Contact).where(Contact.direction == Direction.OUTBOUND)).one()
    assert (ours.outcome, ours.ended_at is not None) == (Outcome.NOT_REACHED, True)
    shown = await alice.text("/cases")
    assert "We called back and reached nobody" in shown, "the newest call of her case, in the list"
    assert "Not reached" in shown
    assert "No call yet" not in shown
    await dial(alice, callback_id)
    assert len(wire.dialled) == 1


async def test_an_asterisk_that_falls_silent_may_have_dialled_so_the_try_stays(
    alice: Browser, wire: Wire, owed: tuple[int, int], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a worker would be rung twice. What came of it is asked like after any call."""
    _, callback_id = owed

    def silent(*_: object) -> None:
        raise LineFailed(HALF_DONE)

    monkeypatch.setattr("telephony.operator.operator.Operator.call_back", silent)
    assert (await alice.post(f"/callbacks/{callback_id}/attempts", HTMX)).status == 409
    assert len(tries(db)) == 1
    assert "How did it go?" in await alice.text("/callbacks")


async def test_the_third_miss_goes_to_a_supervisor(
    alice: Browser, signed_in: SignIn, wire: Wire, owed: tuple[int, int], db: Database, staff: Cast
) -> None:
    """It stands apart, with three dots; an agent has no button there."""
    _, callback_id = owed
    for n in range(3):
        await dial(alice, callback_id)
        hang_up(db, answered=True)
        assert await say(alice, callback_id, "machine", tries(db)[n].id) == 200
        with db.write() as session:
            item = session.get_one(Callback, callback_id)
            item.due_at = now()
            session.add(item)
    head = "Tried three times: for a supervisor"
    hers, sofia = await alice.text("/callbacks"), await signed_in(staff.sofia).text("/callbacks")
    assert "3 of 3 tries" in sections(hers)[head]
    assert hers.count('class="made"') == 3
    assert "A supervisor decides." in sections(hers)[head]
    assert f"/callbacks/{callback_id}/attempts" not in hers
    assert f"/callbacks/{callback_id}/attempts" in sofia


async def test_taking_it_keeps_others_off_until_it_is_let_go(
    alice: Browser, bob: Browser, signed_in: SignIn, wire: Wire, owed: tuple[int, int], staff: Cast
) -> None:
    """The page says who works on it; she or a supervisor gives it back."""
    _, callback_id = owed
    where = f"/callbacks/{callback_id}/lock"
    assert (await alice.post(where, HTMX)).status == 200
    assert "Alice works on it" in await bob.text("/callbacks")
    assert "yours until" in await alice.text("/callbacks")
    assert (await bob.post(where, HTMX)).status == 409
    assert (await bob.post(f"{where}/end", HTMX)).status == 409
    assert (await signed_in(staff.sofia).post(f"{where}/end", HTMX)).status == 200
    assert (await bob.post(where)).headers["Location"] == "/callbacks"


async def test_closing_needs_a_reason(alice: Browser, wire: Wire, owed: tuple[int, int], db: Database) -> None:
    """The menu comes back open, with what was typed; then it is gone from the list and told on the case."""
    case_id, callback_id = owed
    answer = await alice.post(f"/callbacks/{callback_id}/closing", HTMX, reason="  ")
    text = await answer.text()
    assert answer.status == 422
    assert "Say why the worker is not called back." in text
    assert re.search(rf'id="close-{callback_id}"\s+open', text)
    long = await alice.post(f"/callbacks/{callback_id}/closing", BOOSTED, reason="<b>" + "x" * 300)
    assert long.status == 422
    assert "&lt;b&gt;xxx" in await long.text()
    assert (await alice.post(f"/callbacks/{callback_id}/closing", HTMX, reason="she <i>called</i>")).status == 200
    assert item_of(db, callback_id).end_reason == "she <i>called</i>"
    assert "Call-back closed she &lt;i&gt;called&lt;/i&gt; by Alice" in flat(await alice.text(f"/cases/{case_id}"))
    assert (await alice.post(f"/callbacks/{callback_id}/closing", HTMX, reason="again")).status == 409


async def test_a_case_can_be_put_on_the_list_for_its_hours(
    alice: Browser, wire: Wire, db: Database, keys: Keys, staff: Cast, settings: Settings
) -> None:
    """The panel of the case says by the same rule when it opens; what is listed there stands on the page."""
    case_id, callback_id = owe(db, keys, staff)
    await alice.post(f"/callbacks/{callback_id}/closing", reason="handled")
    opens = now().astimezone(settings.zone).replace(minute=0) + timedelta(hours=2)
    say_safe(db, case_id, staff, window=f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}")
    text = await alice.text(f"/cases/{case_id}")
    assert f"/cases/{case_id}/callback/listing" in text
    assert f'action="/cases/{case_id}/callback"' not in text
    assert "Opens" in text
    answer = await alice.post(f"/cases/{case_id}/callback/listing", HTMX | {"HX-Target": "case"})
    assert 'id="case"' in await answer.text()
    assert f"/cases/{case_id}" in await alice.text("/callbacks")


async def test_a_case_is_called_from_its_own_page(
    alice: Browser, wire: Wire, db: Database, keys: Keys, staff: Cast
) -> None:
    """A call-back that nobody had listed is listed with the call, once."""
    case_id, callback_id = owe(db, keys, staff)
    await alice.post(f"/callbacks/{callback_id}/closing", reason="handled")
    assert f'action="/cases/{case_id}/callback"' in await alice.text(f"/cases/{case_id}")
    answer = await alice.post(f"/cases/{case_id}/callback", HTMX | {"HX-Target": "case"})
    assert answer.status == 200
    assert "How did it go?" in await answer.text()
    assert len(wire.dialled) == 1


async def test_an_act_beside_a_case_draws_the_case_and_is_for_its_own_call_back_only(
    alice: Browser, wire: Wire, db: Database, keys: Keys, staff: Cast
) -> None:
    """With a wrong form the case says what is wrong; the call-back of another case is not there."""
    case_id, callback_id = owe(db, keys, staff)
    here = HTMX | {"HX-Target": "case"}
    beside = f"/cases/{case_id}/callbacks/{callback_id}"
    empty = await alice.post(f"{beside}/closing", here, reason=" ")
    assert empty.status == 422
    assert 'id="case"' in await empty.text()
    assert (await alice.post(f"/cases/999/callbacks/{callback_id}/closing", here, reason="no")).status == 404
    called = await alice.post(f"{beside}/attempts", here)
    assert f'action="{beside}/outcome"' in await called.text()
    assert len(wire.dialled) == 1
    hang_up(db)
    assert (await alice.post(f"{beside}/outcome", outcome="reached", attempt="x")).status == 409
    said = await alice.post(f"{beside}/outcome", outcome="reached", attempt=str(tries(db)[0].id))
    assert (said.status, said.headers["Location"]) == (303, f"/cases/{case_id}")


async def test_there_is_no_such_call_back(alice: Browser, adam: Browser, outsider: Browser, wire: Wire) -> None:
    """Nor for an id that cannot be; GET changes nothing; an administrator has no callers."""
    for act in ("attempts", "outcome", "lock", "lock/end", "closing"):
        for wrong in ("999", "0", "x", "9" * 30):
            answer = await alice.post(f"/callbacks/{wrong}/{act}", outcome="reached", attempt="1", reason="why")
            assert answer.status in {404, 409}, (act, wrong)
        assert (await alice.get(f"/callbacks/1/{act}")).status == 405
        assert (await adam.post(f"/callbacks/1/{act}")).status == 403
    assert (await adam.get("/callbacks")).status == 403
    assert (await outsider.get("/callbacks")).status == 303
    assert "Call-backs" not in await adam.text("/roster")


def test_the_words_of_every_code_are_there() -> None:
    """A new reason or outcome without words would break the page of whoever it concerns."""
    assert all(callback_labels.refusal_words(Refusal(code, "")) for code in Reason)
    assert all(callback_labels.kind_word(kind) for kind in CallbackKind)
    assert set(callback_labels.OUTCOME_KEYS) == set(AttemptOutcome)
    for what in [*AttemptOutcome, *CallbackEnd, "opened", "dialled", "line_failed", "for_supervisor"]:
        assert callback_labels.told({"what": what})[0] != "Call-back", what
    assert callback_labels.closed_word(callback_attempts.DROPPED_AND_NOT_AGREED)
