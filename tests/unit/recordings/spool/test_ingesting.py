"""From the spool into a row, told with half a second of made-up sound: what is finished, what waits, what is tried again."""

from pathlib import Path

import pytest

from hotline.keys import Keys
from hotline.line.languages import for_no_key
from hotline.scope import SYSTEM
from hotline.settings import Settings
from models import Caller, Case, Contact, Database, Outcome, Recording
from recordings.spool.files import File
from recordings.spool.ingest import NET_QUIET_S, QUIET_S, REST_S, Ingest, OneIngester
from recordings.vault.playback import audio_wav
from recordings.vault.vault import VaultFull
from tests.support.cast import Cast
from tests.support.databases import locked
from tests.support.spooled import ARRIVED, NUMBER, Left, Taker, grep, net_line, rows

SOUND = b"".join(n.to_bytes(2, "little") for n in range(4000))  # half a second


@pytest.fixture
def left(settings: Settings) -> Left:
    return Left(settings)


@pytest.fixture
def taker(settings: Settings, db: Database, keys: Keys) -> Taker:
    return Taker(settings, db, keys)


def test_a_message_becomes_one_row_and_one_sealed_file_and_leaves_nothing_in_the_clear(
    taker: Taker, left: Left, db: Database, keys: Keys, settings: Settings
) -> None:
    left.message(SOUND, net_line())
    assert taker.take() == 1
    (recording,) = rows(db, Recording)
    (contact,) = rows(db, Contact)
    assert (contact.outcome, contact.language, recording.language) == (Outcome.VOICEMAIL, "ko", "ko")
    assert (recording.duration_s, recording.cut_short, recording.contact_id) == (0.5, False, contact.id)
    with db.read() as session:
        assert audio_wav(session, keys, taker.vault, recording.id, SYSTEM).endswith(SOUND)
    assert left.names() == []
    assert [case.id for case in rows(db, Case)] == [contact.case_id]
    for needle in (SOUND[2000:2064], NUMBER.encode()):
        assert grep(settings.data, needle) == []


def test_files_that_still_change_are_left_alone(taker: Taker, left: Left) -> None:
    call = left.message(SOUND, net_line())
    assert taker.take(wait_s=QUIET_S - 1) == 0
    left.note(call, {"reason": "net"})
    assert taker.take(wait_s=QUIET_S - 1) == 0, "it changed a moment ago"
    assert taker.take(wait_s=1) == 1


@pytest.mark.parametrize("after", ["sealing", "the row"])
def test_a_death_at_any_moment_is_met_again_and_doubles_nothing(
    taker: Taker, left: Left, settings: Settings, db: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """A new process finds by the file's name and its sound what is done already."""

    class Killed(BaseException):
        """Nothing of ours catches it."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    left.message(SOUND, net_line())
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if after == "sealing":
            patch.setattr(Ingest, "_write", die)
        else:
            patch.setattr("recordings.spool.ingest.remove", die)
        taker.take()
    assert len(left.names()) == 2, "the spool is emptied last"
    assert Taker(settings, db, keys).take() == 1
    assert len(rows(db, Recording)) == len(rows(db, Contact)) == len(rows(db, Case)) == 1
    assert left.names() == []


def test_while_another_writes_the_spool_is_kept_and_asked_again_only_after_a_rest(
    taker: Taker, left: Left, settings: Settings, db: Database, keys: Keys
) -> None:
    impatient = Taker(settings, Database(db.url, busy_s=0.1), keys, taker.clock)
    left.message(SOUND, net_line())
    with locked(db):
        assert impatient.take() == 0
    assert len(left.names()) == 2
    assert impatient.take(wait_s=REST_S - 7) == 0, "it rests"
    assert impatient.take(wait_s=REST_S) == 1
    assert len(impatient.sealed()) == len(rows(db, Recording)) == 1, "what was sealed before is not sealed again"
    impatient.db.dispose()


def test_trouble_with_one_call_holds_up_no_other(
    taker: Taker, left: Left, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = left.message(SOUND, net_line()), left.message(SOUND[2:], net_line())
    seal = Ingest._seal

    def full(self: Ingest, file: File) -> Recording | None:
        if file.path.stem == first:
            raise VaultFull("there is no room")
        return seal(self, file)

    monkeypatch.setattr(Ingest, "_seal", full)
    assert taker.take() == 1
    assert [contact.call for contact in rows(db, Contact)] == [second]
    assert left.names() == [f"{first}.call", f"{first}.sln"]


def test_a_call_of_the_net_without_a_message_is_over_by_its_note_or_a_long_quiet(
    taker: Taker, left: Left, db: Database
) -> None:
    said, silent = "5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b10", "5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b11"
    left.note(said, net_line(ended=ARRIVED.timestamp() + 45))
    left.note(silent, net_line(number=""))
    assert taker.take(wait_s=NET_QUIET_S - 1) == 1
    assert taker.take(wait_s=2) == 1
    ended = {contact.call: contact.ended_at is not None for contact in rows(db, Contact)}
    assert ended == {said: True, silent: True}


def test_the_language_for_no_key_is_not_remembered_as_the_callers_choice(
    taker: Taker, left: Left, db: Database, staff: Cast
) -> None:
    """The net does not say whether a key was pressed: offering it at the next call would be a guess."""
    with db.read() as session:
        usual = for_no_key(session)
    left.note("5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b10", net_line(language=usual, ended=ARRIVED.timestamp() + 30))
    left.note(
        "5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b11",
        net_line(language="my", number="0898765432", ended=ARRIVED.timestamp() + 30),
    )
    assert taker.take() == 2
    assert sorted(caller.last_language or "" for caller in rows(db, Caller)) == ["", "my"]


@pytest.mark.parametrize(
    ("sound", "more", "cut"),
    [(SOUND, {}, False), (SOUND + b"\1", {}, True), (SOUND, {"cut_short": True}, True)],
    ids=["whole", "half a sample", "the net says so"],
)
def test_a_message_that_was_cut_says_so(
    taker: Taker, left: Left, db: Database, sound: bytes, more: dict[str, object], cut: bool
) -> None:
    left.message(sound, net_line(**more))
    assert taker.take() == 1
    assert [recording.cut_short for recording in rows(db, Recording)] == [cut]


def test_only_one_process_ingests_and_the_next_takes_over(tmp_path: Path) -> None:
    first, second = OneIngester(tmp_path / "run" / "lock"), OneIngester(tmp_path / "run" / "lock")
    assert first.held()
    assert first.held(), "asking again takes nothing away"
    assert not second.held()
    first.release()
    assert second.held()
    assert not first.held()
    second.release()


def test_the_beat_is_given_after_each_call(taker: Taker, left: Left, settings: Settings, db: Database) -> None:
    """A long backlog is not a hang."""
    beats: list[int] = []
    taker.ingest.beat = lambda: beats.append(len(rows(db, Contact)))
    for _ in range(3):
        left.message(SOUND, net_line())
    assert taker.take() == 3
    assert beats[-3:] == [1, 2, 3]


def test_a_spool_that_is_not_there_is_made(taker: Taker, settings: Settings) -> None:
    assert not settings.spool.exists()
    assert taker.ingest.once() == 0
    assert settings.spool.is_dir()
    assert settings.spool.stat().st_mode & 0o077 == 0
