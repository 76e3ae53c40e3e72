"""A call-back attempt to an unsafe or out-of-window caller is refused in every way the product offers.

Every way a person has, against every state in which she must not be called; Asterisk is a fake on the wire, and nothing
that it was asked to dial, or told, holds her number. That an agent's own phone reaches no number at all is shown with a
real Asterisk: tests/integration/telephony/test_asterisk_queue.py, `an_agents_phone_reaches_nothing_but_the_echo`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from hotline import scope
from hotline.callbacks import items as callbacks
from hotline.calls import conversations
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.safety.gate import Reason
from hotline.settings import Settings
from hotline.staff import states as agents
from models import (
    AuditEntry,
    Callback,
    CallbackAttempt,
    CallbackEnd,
    CallbackSafety,
    CaseStatus,
    Contact,
    Database,
    Direction,
    DirectoryEntry,
    EntryKind,
    Safety,
)
from models.db.types import now
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.owed_callbacks import DIGITS, NUMBER, Wire, a_call, asterisk, owe, phones_on
from tests.support.thailand import saw

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def wire(settings: Settings, db: Database, staff: Cast) -> Iterator[Wire]:
    """A fake Asterisk that would dial; everybody's phone is there."""
    phones_on(db, staff)
    with asterisk(settings, staff) as it:
        yield it


@dataclass
class Owed:
    """A call-back that may be made, in the transaction that spoils it."""

    session: Session
    keys: Keys
    settings: Settings
    cast: Cast
    item: Callback
    safety: Safety

    def away(self, hours: int) -> str:
        """A window of an hour that begins so many hours from now."""
        at = now().astimezone(self.settings.zone) + timedelta(hours=hours)
        return f"{at:%H:%M}-{at + HOUR:%H:%M}"


Spoil = Callable[[Owed], None]


def say(**values: object) -> Spoil:
    def spoil(o: Owed) -> None:
        for name, value in values.items():
            setattr(o.safety, name, value)

    return spoil


def outside_her_hours(o: Owed) -> None:
    o.safety.window = o.away(2)


def on_another_day(o: Owed) -> None:
    there = (now().astimezone(o.settings.zone) + 3 * DAY).strftime("%a").lower()
    o.safety.window = f"{there} 00:00-00:00"


def never_reviewed(o: Owed) -> None:
    o.safety.reviewed_at = None


def reviewed_long_ago(o: Owed) -> None:
    o.safety.reviewed_at = now() - 91 * DAY


def no_hours_and_a_week_old(o: Owed) -> None:
    o.safety.window, o.safety.reviewed_at = None, now() - 8 * DAY


def written_by_a_wrong_clock(o: Owed) -> None:
    o.safety.reviewed_at = now() + 2 * DAY


def the_line_dropped(o: Owed) -> None:
    contact = o.session.get_one(Contact, o.item.contact_id)
    contact.answered_at = contact.dropped_at = contact.ended_at
    calls.settle(o.session, contact)


def another_case_says_never(o: Owed) -> None:
    at = now() - 5 * DAY
    saw(o.session, o.keys, "older", Fact.ARRIVED, at, Seen(linkedid="older", number=NUMBER))
    older = saw(o.session, o.keys, "older", Fact.KEY, at, Seen(language="th"))
    calls.close(o.session, older, at + HOUR, join_within_s=0, brief_s=0)
    safety_form.set_safety(o.session, older.case_id or 0, o.cast.bob, callback=CallbackSafety.NEVER)


def she_is_on_the_line(o: Owed) -> None:
    saw(o.session, o.keys, "now", Fact.ARRIVED, now(), Seen(linkedid="now", number=NUMBER))


def tried(o: Owed) -> None:
    contact = Contact(
        call="ours", direction=Direction.OUTBOUND, caller_id=o.item.caller_id, case_id=o.item.case_id,
        arrived_at=now() - HOUR, answered_at=now() - HOUR, ended_at=now() - HOUR,
    )  # fmt: skip
    o.session.add(contact)
    o.session.flush()
    by = o.cast.charlie.id
    o.session.add(CallbackAttempt(callback_id=o.item.id, contact_id=contact.id, by_id=by, at=now() - HOUR))


def tried_a_moment_ago(o: Owed) -> None:
    o.item.due_at = now() + HOUR


def closed_case(o: Owed) -> None:
    case = scope.case(o.session, scope.SYSTEM, o.item.case_id)
    case.status, case.closed_at = CaseStatus.CLOSED, now()
    o.session.add(case)


def the_item_has_ended(o: Owed) -> None:
    callbacks.end(o.session, o.item, CallbackEnd.CLOSED, now(), reason="done")
    # Only this item: what the case's own button may do is another one, and she is not safe for that.
    o.safety.callback = CallbackSafety.UNKNOWN


def three_tries_and_unsafe(o: Owed) -> None:
    o.item.attempts, o.item.for_supervisor_at, o.safety.callback = 3, now(), CallbackSafety.UNSAFE


def three_tries_outside_her_hours(o: Owed) -> None:
    o.item.attempts, o.item.for_supervisor_at, o.safety.window = 3, now(), o.away(2)


STATES: list[tuple[Reason, Spoil]] = [
    (Reason.UNKNOWN, say(callback=CallbackSafety.UNKNOWN)),
    (Reason.UNSAFE, say(callback=CallbackSafety.UNSAFE)),
    (Reason.NEVER, say(callback=CallbackSafety.NEVER)),
    (Reason.OUTSIDE_WINDOW, outside_her_hours),
    (Reason.OUTSIDE_WINDOW, on_another_day),
    (Reason.WINDOW_UNREADABLE, say(window="in the evening")),
    (Reason.NOT_REVIEWED, never_reviewed),
    (Reason.REVIEW_TOO_OLD, reviewed_long_ago),
    (Reason.REVIEW_TOO_OLD, no_hours_and_a_week_old),
    (Reason.CLOCK_WRONG, written_by_a_wrong_clock),
    (Reason.DROP_NOT_AGREED, the_line_dropped),
    (Reason.OTHER_CASE_UNSAFE, another_case_says_never),
    (Reason.CALLER_ON_LINE, she_is_on_the_line),
    (Reason.NOT_SAID, tried),
    (Reason.TOO_SOON, tried_a_moment_ago),
    (Reason.CASE_CLOSED, closed_case),
    (Reason.ENDED, the_item_has_ended),
    (Reason.UNSAFE, three_tries_and_unsafe),
    (Reason.OUTSIDE_WINDOW, three_tries_outside_her_hours),
]
NAMES = [f"{reason}-{getattr(spoil, '__name__', 'said')}" for reason, spoil in STATES]


def spoilt(db: Database, keys: Keys, settings: Settings, cast: Cast, spoil: Spoil) -> tuple[int, int]:
    """A call-back that may not be made any more; the ids of its case and of itself."""
    case_id, callback_id = owe(db, keys, cast)
    with db.write() as session:
        item = session.get_one(Callback, callback_id)
        o = Owed(session, keys, settings, cast, item, session.get_one(Safety, case_id))
        spoil(o)
        session.add_all([item, o.safety])
    return case_id, callback_id


def refused_as(db: Database) -> list[str]:
    with db.read() as session:
        query = select(AuditEntry).where(col(AuditEntry.act) == "call_back_refused").order_by(col(AuditEntry.id))
        return [str(entry.detail["reason"]) for entry in session.exec(query)]


def planted_entry(db: Database, keys: Keys, cast: Cast) -> int:
    """Her number in the directory, from before she ever called."""
    with db.write() as session:
        entry = DirectoryEntry(
            name="A shelter", kind=EntryKind.SHELTER, number_sealed=keys.seal(f"+66{DIGITS}".encode()),
            number_index=keys.find_by(f"+66{DIGITS}"), added_by_id=cast.sofia.id,
        )  # fmt: skip
        session.add(entry)
        session.flush()
        return entry.id


def in_conversation(db: Database, keys: Keys, cast: Cast) -> str:
    """Bob talks with another worker; the id of that call."""
    with db.write() as session:
        saw(session, keys, "other", Fact.ARRIVED, now(), Seen(linkedid="other", number="0867654321"))
        contact = saw(session, keys, "other", Fact.ANSWERED, now(), Seen(language="th", handler_id=cast.bob.id))
        bob = cast.bob.id
        calls.answered(session, contact, bob, now(), join_within_s=900)
        conversations.begin(session, "other", bob, now())
        agents.on_call(session, bob, "other", now())
    return "other"


async def test_who_may_be_called_is_dialled_once(
    alice: Browser, wire: Wire, db: Database, keys: Keys, staff: Cast
) -> None:
    """Without this the test below would show nothing: the button is there, and her number goes to the trunk."""
    case_id, callback_id = owe(db, keys, staff)
    assert f'action="/callbacks/{callback_id}/attempts"' in await alice.text("/callbacks")
    assert f'action="/cases/{case_id}/callbacks/{callback_id}/attempts"' in await alice.text(f"/cases/{case_id}")
    assert (await alice.post(f"/callbacks/{callback_id}/attempts")).status == 303
    (call,) = wire.dialled
    assert call["Channel"] == f"PJSIP/{staff.alice.sip_name}"
    assert f"+66{DIGITS}" in call["Variable"]
    assert refused_as(db) == []


@pytest.mark.parametrize(("reason", "spoil"), STATES, ids=NAMES)
async def test_nobody_is_called_who_is_not_safe_in_any_way_the_product_offers(
    reason: Reason,
    spoil: Spoil,
    alice: Browser,
    bob: Browser,
    adam: Browser,
    outsider: Browser,
    signed_in: SignIn,
    wire: Wire,
    db: Database,
    staff: Cast,
    keys: Keys,
    settings: Settings,
) -> None:
    """Pages without the button, forged forms, other roles, a supervisor, the directory, a party called into a call."""
    case_id, callback_id = spoilt(db, keys, settings, staff, spoil)
    dial, by_case = f"/callbacks/{callback_id}/attempts", f"/cases/{case_id}/callback"
    beside_case = f"/cases/{case_id}/callbacks/{callback_id}/attempts"
    entry_id = planted_entry(db, keys, staff)
    sofia = signed_in(staff.sofia)

    # The pages of an agent and of a supervisor offer no call.
    for who in (alice, sofia):
        for page in ("/callbacks", f"/cases/{case_id}"):
            text = await who.text(page)
            assert f'action="{dial}"' not in text, page
            assert f'action="{by_case}"' not in text, page
            assert f'action="{beside_case}"' not in text, page
            assert DIGITS not in text.replace(" ", ""), page

    # Forms that no page of ours drew: by an agent, by a colleague, by a supervisor, with a number of their own.
    for who in (alice, bob, sofia):
        for path in (dial, by_case, beside_case):
            answer = await who.post(path, HTMX, number=NUMBER, force="1")
            assert answer.status == 409, (path, answer.status)
            assert (await who.post(path)).status == 409
    said = refused_as(db)
    # Each was refused by the rule and audited; agents may be told first that the tries are used up.
    assert said.count(reason) >= 4, said
    assert len(said) >= 6

    # Who calls nobody, and who is nobody.
    for path in (dial, by_case, beside_case):
        assert ((await adam.post(path)).status, (await outsider.post(path)).status) == (403, 303)

    # Her number as a number outside: it does not come into the directory, and one that was there is not called.
    form = {"name": "A clinic", "kind": "health", "number": NUMBER}
    assert (await sofia.post("/settings/directory", **form)).status == 422
    assert (await sofia.post(f"/settings/directory/{entry_id}", **form)).status == 422
    call = in_conversation(db, keys, staff)
    there = f"/phone/calls/{call}"
    consult = {"entry": str(entry_id), "sure": "yes", "number": NUMBER}
    assert (await bob.post(f"{there}/consult", HTMX, **consult)).status == 409
    assert (await bob.post(f"{there}/consult", HTMX, number=NUMBER, sure="yes")).status in {404, 409, 422}
    for form in ({"entry": str(entry_id)}, {"number": NUMBER}, {"language": NUMBER}, {"agent": NUMBER}):
        assert (await bob.post(f"{there}/transfer", HTMX, **form)).status in {404, 409, 422}, form

    assert wire.dialled == []
    assert not wire.saw(DIGITS)


async def test_what_an_agent_used_up_a_supervisor_may_still_decide(
    alice: Browser, signed_in: SignIn, wire: Wire, db: Database, keys: Keys, staff: Cast
) -> None:
    """Three tries stop agents, whoever they are; a supervisor calls once more, when it is safe."""
    case_id, callback_id = owe(db, keys, staff)
    with db.write() as session:
        item = session.get_one(Callback, callback_id)
        item.attempts, item.for_supervisor_at = 3, now()
        session.add(item)
    for path in (f"/callbacks/{callback_id}/attempts", f"/cases/{case_id}/callback"):
        assert (await alice.post(path)).status == 409
    assert set(refused_as(db)) == {Reason.TRIES_USED_UP}
    assert wire.dialled == []
    assert (await signed_in(staff.sofia).post(f"/callbacks/{callback_id}/attempts")).status == 303
    assert len(wire.dialled) == 1


async def test_what_a_colleague_works_on_is_not_called_by_another(
    bob: Browser, wire: Wire, db: Database, keys: Keys, staff: Cast
) -> None:
    """Two who call at once would ring one worker twice."""
    case_id, callback_id = owe(db, keys, staff)
    with db.write() as session:
        callbacks.take(session, callback_id, staff.alice, now())
    for path in (f"/callbacks/{callback_id}/attempts", f"/cases/{case_id}/callback"):
        assert (await bob.post(path)).status == 409
    assert refused_as(db) == [Reason.LOCKED_BY_OTHER] * 2
    assert wire.dialled == []


async def test_a_worker_who_withheld_her_number_has_none_to_dial(
    alice: Browser, wire: Wire, db: Database, keys: Keys
) -> None:
    """No item, no button, and the case's own act is refused."""
    case_id = a_call(db, keys, "withheld", number="anonymous")
    assert f"/cases/{case_id}/callback" not in await alice.text(f"/cases/{case_id}")
    assert (await alice.post(f"/cases/{case_id}/callback")).status == 409
    assert (await alice.post(f"/cases/{case_id}/callback/listing")).status == 409
    assert wire.dialled == []


async def test_nobody_is_called_from_a_phone_that_is_not_there_or_in_a_call(
    alice: Browser, bob: Browser, wire: Wire, db: Database, keys: Keys, staff: Cast
) -> None:
    """The reason is said, and the button cannot be pressed."""
    _, callback_id = owe(db, keys, staff)
    in_conversation(db, keys, staff)
    with db.write() as session:
        agents.set_reachable(session, staff.alice.id, False)
    for who, words in ((alice, "Your phone is not on"), (bob, "You are on a call")):
        text = await who.text("/callbacks")
        assert f'disabled title="{words}' in text
        answer = await who.post(f"/callbacks/{callback_id}/attempts", HTMX)
        assert answer.status == 409
        assert words in await answer.text()
    assert wire.dialled == []
