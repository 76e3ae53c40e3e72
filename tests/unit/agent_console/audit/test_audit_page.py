"""The audit page: what was done and looked at, and whether the record is whole."""

from sqlmodel import select

from hotline.audit import note_act
from models import AuditEntry, Database
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast


async def test_the_newest_entries_come_first_with_names(signed_in: SignIn, db: Database, staff: Cast) -> None:
    """A hundred at a time."""
    with db.write() as session:
        for n in range(120):
            note_act(session, "number_shown", f"case:{n}", by_id=staff.bob.id)
    sofia = signed_in(staff.sofia)
    text = await sofia.text("/audit")
    assert text.index("case 119") < text.index("case 20<")
    assert "case 19<" not in text
    assert "saw a caller&#39;s number" in text
    assert "Bob" in text
    with db.read() as session:
        oldest_shown = sorted(e.id for e in session.exec(select(AuditEntry)))[-100]
    assert f"/audit?before={oldest_shown}" in text
    assert "case 19<" in await sofia.text(f"/audit?before={oldest_shown}")


async def test_one_subject_can_be_followed(signed_in: SignIn, db: Database, staff: Cast) -> None:
    """Every act about a case, and no other."""
    with db.write() as session:
        note_act(session, "number_shown", "case:1", by_id=None)
        note_act(session, "safety_changed", "case:2", by_id=None, fields=["near", "<b>"])
    text = await signed_in(staff.sofia).text("/audit?subject=case:2")
    assert "reviewed safety" in text
    assert "saw a caller" not in text
    assert "near, &lt;b&gt;" in text
    assert "the machine" in text


async def test_a_whole_chain_is_said_and_a_broken_one_too(signed_in: SignIn, db: Database, staff: Cast) -> None:
    """Changing one word of an entry shows."""
    sofia = signed_in(staff.sofia)
    assert "The chain is whole" in await sofia.text("/audit/chain")
    with db.write() as session:
        entry = session.exec(select(AuditEntry)).first()
        assert entry is not None
        entry.act = "nothing_happened"
        session.add(entry)
    part = await sofia.text("/audit/chain", **HTMX)
    assert f"Broken at entry {entry.id}" in part
    assert "<html" not in part


async def test_only_a_supervisor_reads_it(
    alice: Browser, adam: Browser, outsider: Browser, signed_in: SignIn, staff: Cast
) -> None:
    """Not an agent, not the administrator; and nobody writes it here."""
    for path in ("/audit", "/audit/chain"):
        assert (await alice.get(path)).status == 403
        assert (await adam.get(path)).status == 403
        assert (await outsider.get(path)).status == 303
    sofia = signed_in(staff.sofia)
    assert (await sofia.post("/audit")).status == 405
    for odd in ("?before=x", "?before=99999999999999999999", "?subject=" + "x" * 500):
        assert (await sofia.get(f"/audit{odd}")).status == 200, odd
