"""Whatever dies, fills up or goes away: nothing is lost and nothing doubled."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from sqlmodel import col, select

from hotline.calls import facts as calls
from hotline.keys import Keys
from hotline.settings import Settings
from models import Case, CaseEvent, Database, EventKind, Outcome
from models.db.types import now
from recordings.spool import ingest
from recordings.spool.ingest import OneIngester
from recordings.vault import retention
from recordings.vault.vault import Vault, VaultFull
from tests.support.spooled import ARRIVED, Left, Taker, net_line, rows


class Died(BaseException):
    """The process ends here, as with kill -9: nothing catches this."""


def cases(db: Database) -> list[Case]:
    return rows(db, Case)


STEPS = ["put", "saw", "attach", "close", "commit", "remove", "after the note is gone", "tell"]


@pytest.mark.parametrize("step", STEPS)
def test_a_death_at_any_step_loses_nothing_and_doubles_nothing(
    step: str, fresh: Callable[[], Taker], left: Left, voice: bytes, db: Database, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    left.message(voice, net_line(ended=ARRIVED.timestamp() + 70))
    with monkeypatch.context() as patch:
        die_at(step, patch)
        with pytest.raises(Died):
            fresh().take()
    taker = fresh()
    taker.take()
    assert len(taker.contacts()) == 1
    assert len(cases(db)) == 1
    (recording,) = taker.recordings()
    assert taker.contacts()[0].outcome is Outcome.VOICEMAIL
    assert left.names() == []
    with db.read() as session:
        told = session.exec(select(CaseEvent).where(col(CaseEvent.kind) == EventKind.RECORDED)).all()
    assert len(told) == 1
    for path in taker.sealed():
        os.utime(path, (1, 1))
    retention.tidy_vault(db, taker.vault, settings, now())
    assert [key for key, _age in taker.vault.kept()] == [recording.vault_key]
    assert taker.vault.open(recording.vault_key) == voice


def die_at(step: str, patch: pytest.MonkeyPatch) -> None:
    """Make the process end right after (or, for deletes, right before) a step."""

    def dies(*_: object, **__: object) -> None:
        raise Died

    def after(where: object, name: str) -> None:
        whole = getattr(where, name)

        def then_dies(*args: object, **more: object) -> None:
            whole(*args, **more)
            raise Died

        patch.setattr(where, name, then_dies)

    if step == "put":
        after(Vault, "put")
    elif step in {"saw", "attach", "close"}:
        after(calls, step)
    elif step == "commit":
        from sqlmodel import Session

        after(Session, "commit")
    elif step == "remove":
        patch.setattr(ingest, "remove", dies)
    elif step == "after the note is gone":
        after(Path, "unlink")
    else:
        from hotline.nudges import Nudges

        patch.setattr(Nudges, "tell", dies)


def test_a_full_disk_keeps_the_spool_until_there_is_room(
    taker: Taker, left: Left, voice: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    left.message(voice, net_line())

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert taker.take() == 0
        with pytest.raises(VaultFull):
            taker.vault.put(BytesIO(voice))
    assert len(left.names()) == 2
    assert taker.recordings() == []
    assert taker.sealed() == []
    assert taker.take(wait_s=11) == 1
    assert len(taker.recordings()) == 1
    assert left.names() == []


def test_a_database_that_is_away_keeps_the_spool(
    settings: Settings, keys: Keys, left: Left, voice: bytes, fresh: Callable[[], Taker]
) -> None:
    left.message(voice, net_line())
    away = Taker(settings, Database("postgresql+psycopg://nobody@127.0.0.1:1/none", busy_s=1.0), keys)
    assert away.take() == 0
    assert len(left.names()) == 2
    assert fresh().take() == 1
    assert left.names() == []


def test_a_write_that_fails_again_and_again_seals_the_audio_once(
    taker: Taker, left: Left, voice: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a database in trouble would fill the disk with copies."""
    left.message(voice, net_line())

    def refuses(*_: object, **__: object) -> None:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(calls, "attach", refuses)
        for _ in range(3):
            assert taker.take(wait_s=11) == 0
    assert len(taker.sealed()) == 1
    assert taker.take(wait_s=11) == 1
    assert len(taker.sealed()) == 1
    assert len(taker.recordings()) == 1


def test_only_one_process_ingests(tmp_path: Path) -> None:
    first = OneIngester(tmp_path / "run" / "ingest.lock")
    assert first.held()
    other = (
        "import sys; from pathlib import Path; from recordings.spool.ingest import OneIngester;"
        "sys.exit(OneIngester(Path(sys.argv[1])).held())"
    )
    command = [sys.executable, "-c", other, str(tmp_path / "run" / "ingest.lock")]
    assert subprocess.run(command, check=False).returncode == 0
    first.release()
    assert subprocess.run(command, check=False).returncode == 1
