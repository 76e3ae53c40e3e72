"""A backup of a line at work, restored on another machine: it starts there, and the message is heard again."""

from pathlib import Path

from sqlmodel import select

from hotline.keys import load_keys
from models import Recording, RecordingState
from recordings.vault.vault import Vault
from tests.support.callers import leave_message
from tests.support.stack import Whole
from tests.support.wait import until


def test_the_line_starts_from_a_backup_that_was_made_while_it_ran(
    quick: Whole, quick_sounds: Path, tmp_path: Path, another_empty_database: str
) -> None:
    assert leave_message(quick, "0812345678").said
    until(lambda: quick.status()["recordings"]["total"] == 1 and quick.status()["recordings"]["spool"] == 0, 60, 1)
    (tmp_path / "stick").mkdir()
    quick.freeline("backup", "key", str(tmp_path / "away.key"))
    public = (tmp_path / "away.key").read_text().splitlines()[0].removeprefix("# public key: ")
    made = quick.freeline("backup", "create", str(tmp_path / "stick"), "--for", public)
    assert made.returncode == 0, made.stderr
    quick.stop()
    other = Whole(tmp_path / "other", quick_sounds, DATABASE_URL=another_empty_database)
    restored = other.freeline("backup", "restore", made.stdout.strip(), "--key", str(tmp_path / "away.key"))
    assert "1 calls, 1 cases, 1 recordings" in restored.stdout, restored.stderr
    try:
        other.start()
        assert other.status()["cases"]["total"] == 1
        with other.db.read() as session:
            recording = session.exec(select(Recording)).one()
        assert recording.state is not RecordingState.FAILED
        keys = load_keys(other.settings.keys, may_open=True)
        assert len(Vault(other.settings.vault, keys).open(recording.vault_key)) > 16_000
        assert leave_message(other, "0812345678").said, "and it takes the next call"
        until(lambda: other.status()["cases"]["total"] == 2, 60, 1)
    finally:
        other.stop()
