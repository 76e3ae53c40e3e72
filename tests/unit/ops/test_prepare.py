"""A start with tables of another version: up to date, or as they were and said in one line."""

import pytest
from sqlalchemy import text

from hotline.errors import PartMissing
from hotline.settings import Settings
from models import Database
from ops.prepare import UpgradeFailed, prepare
from tests.support.ports import free_port


def revision(db: Database) -> str:
    with db.read() as session:
        return str(session.execute(text("SELECT version_num FROM alembic_version")).scalar())


def set_revision(db: Database, to: str) -> None:
    with db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": to})


def test_tables_of_a_newer_freeline_are_left_alone(settings: Settings, db: Database) -> None:
    set_revision(db, "9999")
    with pytest.raises(UpgradeFailed, match="newer"):
        prepare(settings, demo=False, say=lambda _: None)
    assert revision(db) == "9999"


def test_what_a_killed_restore_left_in_the_clear_is_gone_at_the_next_start(settings: Settings, db: Database) -> None:
    left = settings.work / ".restore-killed" / "keys"
    left.mkdir(parents=True)
    (left / "identity.age").write_text("a key")
    prepare(settings.model_copy(update={"database_url": db.url}), demo=False, say=lambda _: None)
    assert not left.parent.exists()


def test_an_upgrade_that_fails_leaves_the_tables_as_they_were(db: Database, settings: Settings) -> None:
    """On both databases: a step that finds its table there already stands for any that fails."""
    set_revision(db, "0001")
    with pytest.raises(UpgradeFailed, match="as they were"):
        prepare(settings.model_copy(update={"database_url": db.url}), demo=False, say=lambda _: None)
    assert revision(db) == "0001"


def test_a_database_that_does_not_answer_is_said(settings: Settings) -> None:
    gone = settings.model_copy(update={"database_url": f"postgresql://nobody@127.0.0.1:{free_port()}/freeline"})
    with pytest.raises(PartMissing, match="freeline doctor"):
        prepare(gone, demo=False, say=lambda _: None)
