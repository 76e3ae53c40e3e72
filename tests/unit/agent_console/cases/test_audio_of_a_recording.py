"""Hearing a recording: ranges, permission, and the audit of every sitting."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from hotline import audit
from hotline.keys import Keys
from hotline.settings import Settings
from models import AuditEntry, CaseEvent, Contact, Database, EventKind, Recording
from models.db.types import now
from recordings.vault.audio import wav
from tests.support.browsers import Browser, SignIn
from tests.support.cast import Cast
from tests.support.recorded import leave_message

PCM = bytes(range(256)) * 200
WAV = wav(PCM, 8000)


@pytest.fixture
def recording(db: Database, keys: Keys, settings: Settings, staff: Cast) -> int:
    """A recording in the vault."""
    with db.write() as session:
        _contact, row = leave_message(session, keys, settings.vault, pcm=PCM, text="one two three")
        return row.id


Count = Callable[[], tuple[int, int]]


@pytest.fixture
def noted(db: Database) -> Count:
    """How often hearing was audited, and told on a timeline."""

    def count() -> tuple[int, int]:
        with db.read() as session:
            acts = session.exec(select(AuditEntry).where(col(AuditEntry.act) == "audio_heard")).all()
            told = session.exec(select(CaseEvent).where(col(CaseEvent.kind) == EventKind.HEARD)).all()
            return len(acts), len(told)

    return count


async def test_the_voice_is_a_wav_that_the_browser_does_not_keep(alice: Browser, recording: int) -> None:
    """Decrypted for this answer only."""
    answer = await alice.get(f"/recordings/{recording}/audio")
    assert answer.status == 200
    assert await answer.read() == WAV
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "Content-Disposition" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, len(WAV) - 1),
        ("bytes=0-99", 0, 99),
        ("bytes=100-100", 100, 100),
        ("bytes=1000-99999999", 1000, len(WAV) - 1),
        ("bytes=-500", len(WAV) - 500, len(WAV) - 1),
        ("bytes=-99999999", 0, len(WAV) - 1),
    ],
)
async def test_a_range_gets_its_part(alice: Browser, recording: int, asked: str, first: int, last: int) -> None:
    """Seeking asks for ranges."""
    answer = await alice.get(f"/recordings/{recording}/audio", Range=asked)
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(WAV)}"
    assert await answer.read() == WAV[first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={len(WAV)}-", "bytes=99999999-", "bytes=-0", "bytes=200-100"])
async def test_a_range_outside_is_unsatisfiable(alice: Browser, recording: int, asked: str) -> None:
    """416 with the size, so that the browser can ask again."""
    answer = await alice.get(f"/recordings/{recording}/audio", Range=asked)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(WAV)}"
    assert await answer.read() == b""


async def test_what_is_no_range_gets_the_whole(alice: Browser, recording: int) -> None:
    """A header we do not understand is not held against her."""
    for asked in ("bytes=-", "lines=1-2", "bytes=1-2,5-6", "nonsense"):
        assert (await alice.get(f"/recordings/{recording}/audio", Range=asked)).status == 200, asked


async def test_one_sitting_is_audited_once(
    alice: Browser, recording: int, noted: Count, db: Database, keys: Keys, staff: Cast
) -> None:
    """A player asks many times; the audit has one line, and it names who and what."""
    for asked in ("bytes=0-", "bytes=100-", "bytes=-5"):
        await alice.get(f"/recordings/{recording}/audio", Range=asked)
    assert noted() == (1, 1)
    with db.read() as session:
        entry = session.exec(select(AuditEntry).where(col(AuditEntry.act) == "audio_heard")).one()
        assert (entry.subject, entry.by_id) == (f"recording:{recording}", staff.alice.id)
    with Database(db.url, audit_key=keys.audit).read() as session:
        assert audit.first_broken(session) is None


async def test_another_sign_in_another_person_and_another_hour_are_audited_again(
    alice: Browser,
    bob: Browser,
    signed_in: SignIn,
    recording: int,
    noted: Count,
    db: Database,
    staff: Cast,
) -> None:
    """Each is a sitting of its own."""
    await alice.get(f"/recordings/{recording}/audio")
    again = signed_in(staff.alice)
    await again.get(f"/recordings/{recording}/audio")
    await bob.get(f"/recordings/{recording}/audio")
    assert noted() == (3, 3)
    with db.write() as session:
        for entry in session.exec(select(AuditEntry)):
            entry.at = now() - timedelta(minutes=61)
            session.add(entry)
    await again.get(f"/recordings/{recording}/audio")
    assert noted() == (4, 4)


async def test_who_may_not_hear_leaves_no_sound_and_no_trace(
    adam: Browser, outsider: Browser, recording: int, noted: Count
) -> None:
    """The administrator keeps the machine; callers are none of her business."""
    for browser, status in ((adam, 403), (outsider, 303)):
        answer = await browser.get(f"/recordings/{recording}/audio")
        assert answer.status == status
        assert WAV[44:144] not in await answer.read()
    assert noted() == (0, 0)


async def test_audio_is_only_fetched(alice: Browser, recording: int) -> None:
    """It is no form."""
    assert (await alice.post(f"/recordings/{recording}/audio")).status == 405


def change(db: Database, recording_id: int, what: Callable[[Session, Recording], None]) -> None:
    with db.write() as session:
        row = session.get_one(Recording, recording_id)
        what(session, row)
        session.add(row)


async def test_what_is_not_there_is_not_found(alice: Browser, recording: int, db: Database, settings: Settings) -> None:
    """No row, a voice whose time is over, a file that is gone."""
    assert (await alice.get("/recordings/9999/audio")).status == 404
    change(db, recording, lambda _s, row: setattr(row, "erased_at", now()))
    assert (await alice.get(f"/recordings/{recording}/audio")).status == 404
    change(db, recording, lambda _s, row: setattr(row, "erased_at", None))
    for file in settings.vault.rglob("*.age"):
        file.unlink()
    answer = await alice.get(f"/recordings/{recording}/audio")
    assert answer.status in {404, 409}
    assert "not in the vault" in await answer.text()


async def test_a_damaged_recording_is_not_played_as_if_it_were_whole(
    alice: Browser, recording: int, settings: Settings
) -> None:
    """The page says so; nothing of it is served."""
    (file,) = settings.vault.rglob("*.age")
    sealed = bytearray(file.read_bytes())
    sealed[-20] ^= 0xFF
    file.write_bytes(bytes(sealed))
    answer = await alice.get(f"/recordings/{recording}/audio")
    assert answer.status == 409
    assert "damaged" in await answer.text()


async def test_a_recording_of_a_call_that_goes_on_is_heard_and_audited(
    alice: Browser, recording: int, noted: Count, db: Database
) -> None:
    """It has no case yet, so there is no timeline; the audit has it all the same. Its panel is not there yet."""

    def still_on(session: Session, row: Recording) -> None:
        contact = session.get_one(Contact, row.contact_id)
        contact.case_id = None
        session.add(contact)

    change(db, recording, still_on)
    assert (await alice.get(f"/recordings/{recording}/audio")).status == 200
    assert noted() == (1, 0)
    assert (await alice.get(f"/recordings/{recording}/transcript")).status == 404
