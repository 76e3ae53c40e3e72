"""The safety panel of a colleague's case: who cannot change it sees why, and who can; by no way is it changed."""

import pytest

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import work
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.staff import states as agents
from models import AgentStatus, AuditEntry, CallbackSafety, Database, Safety
from models.db.types import now
from tests.support.browsers import BOOSTED, HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.thailand import saw


@pytest.fixture
def theirs(db: Database, keys: Keys, staff: Cast) -> int:
    """A case that Alice has, in which calling is never safe."""
    with db.write() as session:
        contact = saw(session, keys, "a", Fact.KEY, now(), Seen(language="my", number="0812345678"))
        calls.close(session, contact, now(), join_within_s=0, brief_s=10)
        work.claim(session, contact.case_id or 0, staff.alice)
        safety_form.set_safety(session, contact.case_id or 0, staff.alice, callback=CallbackSafety.NEVER)
        return contact.case_id or 0


def callback_of(db: Database, case_id: int) -> CallbackSafety:
    with db.read() as session:
        return session.get_one(Safety, case_id).callback


def was(db: Database, case_id: int) -> str:
    with db.read() as session:
        reviewed = session.get_one(Safety, case_id).reviewed_at
        return reviewed.isoformat() if reviewed else ""


async def test_a_colleague_sees_why_not_and_who_can(bob: Browser, alice: Browser, theirs: int) -> None:
    """No form, no link and no letter key; asked for by its address, the panel comes without the form."""
    for path in (f"/cases/{theirs}", f"/cases/{theirs}/safety", f"/cases/{theirs}/safety/form"):
        text = await bob.text(path)
        assert "Alice has this case" in text, path
        assert 'name="callback"' not in text
        assert 'data-key="s"' not in text
    assert 'data-key="s"' in await alice.text(f"/cases/{theirs}")
    assert 'name="callback"' in await alice.text(f"/cases/{theirs}/safety/form", **HTMX)


@pytest.mark.parametrize("headers", [{}, HTMX, BOOSTED])
async def test_a_form_that_is_sent_all_the_same_is_refused(
    bob: Browser, theirs: int, db: Database, headers: dict[str, str]
) -> None:
    answer = await bob.post(f"/cases/{theirs}/safety", headers, was=was(db, theirs), callback="safe")
    assert answer.status == 409
    assert "Alice has this case" in await answer.text()
    assert callback_of(db, theirs) is CallbackSafety.NEVER
    with db.read() as session:
        changed = [e.by_id for e in session.query(AuditEntry).all() if e.act == "safety_changed"]
    assert len(changed) == 1, "theirs alone"


async def test_who_is_on_the_line_with_the_caller_writes_it_down(
    bob: Browser, theirs: int, db: Database, keys: Keys, staff: Cast
) -> None:
    bob_id = staff.bob.id
    with db.write() as session:
        contact = saw(
            session, keys, "b", Fact.ANSWERED, now(), Seen(handler_id=bob_id, language="my", number="0812345678")
        )
        calls.answered(session, contact, bob_id, now(), join_within_s=0)
        agents.set_status(session, bob_id, AgentStatus.ON_CALL, call="b")
    assert "Alice has this case" not in await bob.text(f"/cases/{theirs}")
    assert (await bob.post(f"/cases/{theirs}/safety", was=was(db, theirs), callback="unsafe")).status == 303
    assert callback_of(db, theirs) is CallbackSafety.UNSAFE


async def test_a_supervisor_changes_it(signed_in: SignIn, staff: Cast, theirs: int, db: Database) -> None:
    answer = await signed_in(staff.sofia).post(f"/cases/{theirs}/safety", was=was(db, theirs), callback="unsafe")
    assert answer.status == 303
    assert callback_of(db, theirs) is CallbackSafety.UNSAFE
