"""The directory: numbers outside that agents may call in. A number is typed once and seen only by an audited click."""

import pytest
from sqlmodel import col, select

from hotline.keys import Keys
from models import AuditEntry, Database, DirectoryEntry
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.owed_callbacks import NUMBER, a_call

HERE = "/settings/directory"
SHELTER = {"name": "Baan <Rak>", "kind": "shelter", "number": "+66 2 123 4567", "language": "my", "note": "24 hours"}
SHOWN = "+66 2 123 4567"


@pytest.fixture
async def sofia(signed_in: SignIn, staff: Cast) -> Browser:
    """Sofia, a supervisor, signed in."""
    return signed_in(staff.sofia)


def entries(db: Database) -> list[DirectoryEntry]:
    with db.read() as session:
        return list(session.exec(select(DirectoryEntry).order_by(col(DirectoryEntry.id))))


async def test_a_number_is_added_sealed_and_not_shown(sofia: Browser, db: Database, keys: Keys) -> None:
    """Name, kind, language and note are plain; the number is dots."""
    assert (await sofia.post(HERE, **SHELTER)).headers["Location"] == HERE
    (entry,) = entries(db)
    assert keys.open(entry.number_sealed) == b"+6621234567"
    for page in (HERE, f"{HERE}/{entry.id}"):
        text = await sofia.text(page)
        assert "Baan &lt;Rak&gt;" in text
        assert "1234567" not in text.replace(" ", "").replace("+6621234567.", "").partition("Itissealed")[2]
        assert "•••• ••••" in text


async def test_the_number_is_shown_by_an_audited_click_only(sofia: Browser, alice: Browser, db: Database) -> None:
    """To this person, in this answer; an agent has no such page."""
    await sofia.post(HERE, **SHELTER)
    (entry,) = entries(db)
    answer = await sofia.post(f"{HERE}/{entry.id}/number", HTMX)
    assert SHOWN in await answer.text()
    assert SHOWN in await (await sofia.post(f"{HERE}/{entry.id}/number")).text()
    with db.read() as session:
        seen = session.exec(select(AuditEntry).where(AuditEntry.act == "directory_number_shown")).all()
    assert [e.subject for e in seen] == [f"entry:{entry.id}"] * 2
    assert (await alice.post(f"{HERE}/{entry.id}/number")).status == 403
    assert (await sofia.get(f"{HERE}/{entry.id}/number")).status == 405


async def test_an_entry_is_changed_and_keeps_its_number(sofia: Browser, db: Database, keys: Keys) -> None:
    """An empty number is no new number."""
    await sofia.post(HERE, **SHELTER)
    (before,) = entries(db)
    changed = SHELTER | {"number": "", "name": "Baan Rak", "kind": "health", "language": ""}
    assert (await sofia.post(f"{HERE}/{before.id}", **changed)).status == 303
    (entry,) = entries(db)
    assert (entry.name, entry.kind, entry.language) == ("Baan Rak", "health", None)
    assert entry.number_sealed == before.number_sealed
    await sofia.post(f"{HERE}/{before.id}", **changed | {"number": "1669"})
    assert keys.open(entries(db)[0].number_sealed) == b"1669"


async def test_what_is_switched_off_cannot_be_called_and_is_not_deleted(sofia: Browser, db: Database) -> None:
    """And can be switched on again."""
    await sofia.post(HERE, **SHELTER)
    (entry,) = entries(db)
    assert (await sofia.post(f"{HERE}/{entry.id}/off")).status == 303
    assert entries(db)[0].active is False
    assert "switched off" in await sofia.text(HERE)
    assert (await sofia.post(f"{HERE}/{entry.id}/on")).status == 303
    assert entries(db)[0].active is True


async def test_what_is_wrong_comes_back_with_what_was_typed(sofia: Browser, db: Database, keys: Keys) -> None:
    """But never the number: it may be a worker's, and that one is refused."""
    a_call(db, keys)
    for wrong in ({"name": ""}, {"number": "soon"}, {"kind": "friend"}, {"language": "xx"}, {"number": NUMBER}):
        answer = await sofia.post(HERE, HTMX, **SHELTER | wrong)
        text = await answer.text()
        assert answer.status == 422, wrong
        assert 'value="24 hours"' in text
        assert f'value="{NUMBER}"' not in text
    assert "This is a worker's telephone." in text
    assert entries(db) == []


async def test_nobody_else_keeps_the_directory(
    sofia: Browser, alice: Browser, adam: Browser, outsider: Browser, db: Database
) -> None:
    """Not an agent, not an administrator; not an entry that is not there."""
    for who, status in ((alice, 403), (adam, 403), (outsider, 303)):
        assert (await who.get(HERE)).status == status
        assert (await who.post(HERE, **SHELTER)).status == status
    assert (await sofia.get(f"{HERE}/999")).status == 404
    for act in ("off", "on", "number"):
        assert (await sofia.post(f"{HERE}/999/{act}")).status == 404
    assert entries(db) == []
