"""The audit's chain has a key and anchors: who holds the database alone cannot make what was done undone."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from hotline import audit, audit_anchors
from hotline.audit import Trouble, Verdict, digest_of
from hotline.audit_anchors import Anchors
from hotline.keys import Keys
from hotline.settings import Settings
from models import AuditEntry, Database


@pytest.fixture
def keyed(db: Database, keys: Keys) -> Database:
    """The database as our processes open it."""
    it = Database(db.url, audit_key=keys.audit)
    with db.write() as session:  # from before there was a key
        for n in range(3):
            audit.note_act(session, "number_shown", f"case:{n}", by_id=None)
    with it.write() as session:
        for n in range(3, 9):
            audit.note_act(session, "number_shown", f"case:{n}", by_id=None, fields=["x"])
    return it


def verdict(db: Database, anchors: Anchors | None = None, last: int | None = None) -> Verdict:
    with db.read() as session:
        return audit.verify(session, anchors or Anchors(), last)


def recompute(session: Session, key: bytes | None = None, *, keyed: bool | None = None) -> None:
    """Make all the digests fit again, as far as somebody can who has the database and no key."""
    before = audit.FIRST
    for entry in session.exec(select(AuditEntry).order_by(col(AuditEntry.id))):
        entry.keyed = entry.keyed if keyed is None else keyed
        entry.digest = digest_of(entry, before, key or b"a guess")
        before = entry.digest
        session.add(entry)


def rows(session: Session) -> list[AuditEntry]:
    return list(session.exec(select(AuditEntry).order_by(col(AuditEntry.id))))


def test_a_chain_that_began_without_a_key_is_whole(keyed: Database) -> None:
    """The first entry with one covers what was there before."""
    assert verdict(keyed) == Verdict(9)
    with keyed.read() as session:
        assert [entry.keyed for entry in rows(session)] == [False] * 3 + [True] * 6
        assert audit.first_broken(session) is None


def thief_removes(session: Session) -> int:
    session.delete(rows(session)[5])
    return 5


def thief_changes(session: Session) -> int:
    rows(session)[5].subject = "case:99"
    return 5


def thief_removes_old(session: Session) -> int:
    session.delete(rows(session)[1])
    return 3  # those without a key can be made to fit, but not the first with one


@pytest.mark.parametrize("thief", [thief_removes, thief_changes, thief_removes_old])
@pytest.mark.parametrize("computes", [False, True])
def test_whoever_has_the_database_alone_cannot_make_it_fit(
    keyed: Database, db: Database, thief: Callable[[Session], int], computes: bool
) -> None:
    """Rows deleted or changed and all digests computed anew: this was not seen before."""
    with db.write() as session:
        thief(session)
        session.flush()
        if computes:
            recompute(session)
    assert verdict(keyed).trouble is Trouble.CHANGED


def test_an_entry_without_the_key_after_those_with_it_shows(keyed: Database, db: Database) -> None:
    with db.write() as session:
        audit.note_act(session, "number_shown", "case:10", by_id=None)
    found = verdict(keyed)
    assert found.trouble is Trouble.UNKEYED
    with db.read() as session:
        assert found.entry_id == rows(session)[-1].id


def anchored(keyed: Database, keys: Keys, path: Path) -> Anchors:
    with keyed.read() as session:
        head = audit.head(session)
    assert head
    audit_anchors.add(path, keys.audit, *head)
    return audit_anchors.read(path, keys.audit)


@pytest.mark.parametrize("last", [None, 4])
def test_entries_cut_off_at_the_end_show_by_the_anchor(
    keyed: Database, db: Database, keys: Keys, settings: Settings, last: int | None
) -> None:
    """And so do others that grew in their place."""
    anchors = anchored(keyed, keys, settings.audit_anchors)
    assert verdict(keyed, anchors, last).trouble is None
    with db.write() as session:
        for entry in rows(session)[-2:]:
            session.delete(entry)
    found = verdict(keyed, anchors, last)
    assert (found.trouble, found.entry_id) == (Trouble.CUT, anchors.lines[-1].entry_id)
    with keyed.write() as session:
        for _ in range(12):
            audit.note_act(session, "number_shown", "case:1", by_id=None)
        session.execute(update(AuditEntry).where(col(AuditEntry.id) == -1).values(act="x"))
    assert verdict(keyed, anchors, last).trouble is Trouble.REPLACED


def test_a_chain_whose_keys_were_all_taken_off_shows_by_the_anchor(
    keyed: Database, db: Database, keys: Keys, settings: Settings
) -> None:
    """It then looks as if there had never been a key."""
    anchors = anchored(keyed, keys, settings.audit_anchors)
    with db.write() as session:
        recompute(session, keyed=False)
    assert verdict(keyed, anchors).trouble is Trouble.REPLACED


@pytest.mark.parametrize("line", [0, 1, 2])
@pytest.mark.parametrize("how", ["changed", "removed", "nonsense"])
def test_a_file_of_anchors_that_somebody_changed_shows(
    keyed: Database, keys: Keys, settings: Settings, line: int, how: str
) -> None:
    """But for a last line that is missing: a copy elsewhere shows that."""
    path = settings.audit_anchors
    for n in range(3):
        anchored(keyed, keys, path)
        with keyed.write() as session:
            audit.note_act(session, "number_shown", f"case:{n}", by_id=None)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    changed = {"changed": lines[line].replace(b'"entry": ', b'"entry": 1'), "removed": b"", "nonsense": b"{}\n"}
    path.write_bytes(b"".join([*lines[:line], changed[how], *lines[line + 1 :]]))
    anchors = audit_anchors.read(path, keys.audit)
    cut_short = (line, how) == (2, "removed")
    assert (verdict(keyed, anchors).trouble is Trouble.ANCHOR_FORGED) is not cut_short


def test_the_same_head_is_written_once_and_half_a_line_is_none(keyed: Database, keys: Keys, settings: Settings) -> None:
    """A crash, or a full disk, leaves half a line: it counts for nothing, and the next goes in its place."""
    path = settings.audit_anchors
    anchored(keyed, keys, path)
    assert len(anchored(keyed, keys, path).lines) == 1
    with path.open("ab") as file:
        file.write(b'{"at": "20')
    assert len(audit_anchors.read(path, keys.audit).lines) == 1
    with keyed.write() as session:
        audit.note_act(session, "number_shown", "case:1", by_id=None)
    anchors = anchored(keyed, keys, path)
    assert (len(anchors.lines), anchors.forged) == (2, None)
    assert path.stat().st_mode & 0o077 == 0


def test_a_full_disk_leaves_the_anchors_as_they_were(
    keyed: Database, keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settings.audit_anchors
    anchored(keyed, keys, path)
    with keyed.write() as session:
        audit.note_act(session, "number_shown", "case:1", by_id=None)
    write = os.write
    before = path.read_bytes()
    monkeypatch.setattr(os, "write", lambda where, what: write(where, what[:20]))
    with pytest.raises(OSError, match="full"):
        anchored(keyed, keys, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert len(audit_anchors.read(path, keys.audit).lines) == 1


def test_anchors_that_are_gone_show_after_some_hours(
    keyed: Database, keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first there are none yet."""
    anchors = audit_anchors.read(settings.audit_anchors, keys.audit)
    assert verdict(keyed, anchors).trouble is None
    monkeypatch.setattr(audit_anchors, "DUE_AFTER", -audit_anchors.DUE_AFTER)
    assert verdict(keyed, anchors).trouble is Trouble.ANCHORS_GONE


def test_only_the_last_entries_are_read_for_a_page(keyed: Database) -> None:
    """However many there are."""
    assert verdict(keyed, last=4) == Verdict(4)
    assert verdict(keyed, last=100) == Verdict(9)
    with keyed.write() as session:
        rows(session)[0].act = "x"
    assert verdict(keyed, last=4).trouble is None
    assert verdict(keyed).trouble is Trouble.CHANGED


def test_the_end_of_a_long_file_of_anchors_is_enough_for_a_page(
    keyed: Database, keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_anchors, "TAIL_BYTES", 700)
    for n in range(6):
        with keyed.write() as session:
            audit.note_act(session, "number_shown", f"case:{n}", by_id=None)
        anchored(keyed, keys, settings.audit_anchors)
    end = audit_anchors.read(settings.audit_anchors, keys.audit, all_of_it=False)
    written = settings.audit_anchors.read_bytes()
    whole = written[-700:].count(b"\n") - 1
    assert 1 <= whole < 6, "the premise"
    assert len(end.lines) == whole, "the line that begins before the end does is not one of them"
    assert (end.forged, verdict(keyed, end, 2).trouble) == (None, None)
    assert end.lines[-1] == audit_anchors.read(settings.audit_anchors, keys.audit).lines[-1]


@pytest.mark.parametrize(
    ("keyed", "digest"),
    [
        (False, "83a3da8de913f2466a865b185c7afd33ab9d5f7e73e131a1e855243e9baa05e6"),
        (True, "93b644a6e81e154c393d547be436a5428446b956cec7948adf8e8efb18378bf8"),
    ],
)
def test_an_entry_has_the_digest_that_it_always_had(keyed: bool, digest: str) -> None:
    """What is written is checked for years, by programs that do not exist yet."""
    entry = AuditEntry(
        at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC), by_id=3, act="number_shown", subject="case:7",
        detail={"to": "b", "fields": ["x"]}, digest="", keyed=keyed,
    )  # fmt: skip
    assert digest_of(entry, audit.FIRST, b"a key") == digest


@pytest.mark.parametrize(
    ("since", "missing"),
    [(timedelta(hours=3, seconds=1), True), (timedelta(hours=3), False), (timedelta(), False), (None, False)],
)
def test_anchors_are_missing_three_hours_after_the_first_entry_with_a_key(
    monkeypatch: pytest.MonkeyPatch, since: timedelta | None, missing: bool
) -> None:
    """Where any are expected, and when there is such an entry."""
    noon = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    monkeypatch.setattr(audit_anchors, "now", lambda: noon)
    oldest = None
    if since is not None:
        oldest = AuditEntry(at=noon - since, act="a", subject="s", digest="")
    assert Anchors(expected=True).missing_since(oldest) is missing
    assert not Anchors().missing_since(oldest)


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n", b'{"at": "20'])
@pytest.mark.parametrize("all_of_it", [False, True])
def test_a_file_of_anchors_that_was_emptied_is_as_one_that_is_gone(
    keyed: Database, keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch, content: bytes, all_of_it: bool
) -> None:
    settings.audit_anchors.parent.mkdir(parents=True, exist_ok=True)
    settings.audit_anchors.write_bytes(content)
    monkeypatch.setattr(audit_anchors, "DUE_AFTER", -audit_anchors.DUE_AFTER)
    anchors = audit_anchors.read(settings.audit_anchors, keys.audit, all_of_it=all_of_it)
    assert verdict(keyed, anchors).trouble is Trouble.ANCHORS_GONE


@pytest.mark.parametrize("tail", [700, 64 * 1024])
@pytest.mark.parametrize("all_of_it", [False, True])
def test_an_empty_line_among_the_anchors_is_no_forgery(
    keyed: Database, keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch, tail: int, all_of_it: bool
) -> None:
    """Who looked at the file with an editor may leave one."""
    monkeypatch.setattr(audit_anchors, "TAIL_BYTES", tail)
    for n in range(6):
        with keyed.write() as session:
            audit.note_act(session, "number_shown", f"case:{n}", by_id=None)
        anchored(keyed, keys, settings.audit_anchors)
    path = settings.audit_anchors
    whole = path.read_bytes().replace(b"\n", b"\n\n")
    path.write_bytes(whole)
    anchors = audit_anchors.read(path, keys.audit, all_of_it=all_of_it)
    assert anchors.forged is None
    assert len(anchors.lines) == 6 or (tail == 700 and not all_of_it)


def test_an_anchor_says_when_it_was_written_and_of_which_entry(keyed: Database, keys: Keys, settings: Settings) -> None:
    """A changed moment or digest is none of ours, and neither is a line under another key."""
    path = settings.audit_anchors
    (line,) = anchored(keyed, keys, path).lines
    with keyed.read() as session:
        assert (line.entry_id, line.digest) == audit.head(session)
        assert line.digest == rows(session)[-1].digest
    assert audit_anchors.read(path, b"another key") == Anchors([], line.entry_id, expected=True)
    written = path.read_bytes()
    for was, becomes in ((line.at[:10], "2020-01-01"), (line.digest, "0" * 64)):
        path.write_bytes(written.replace(was.encode(), becomes.encode()))
        assert audit_anchors.read(path, keys.audit).forged == line.entry_id


def test_the_same_entry_with_another_digest_is_another_head(keyed: Database, keys: Keys, settings: Settings) -> None:
    """A database that was put back from a copy gives its ids again."""
    path = settings.audit_anchors
    written = [audit_anchors.add(path, keys.audit, 7, digest) for digest in ("a", "a", "b")]
    assert [anchor and anchor.digest for anchor in written] == ["a", None, "b"]
    assert [line.digest for line in audit_anchors.read(path, keys.audit).lines] == ["a", "b"]


def test_entries_are_looked_through_from_the_newest_back(keyed: Database) -> None:
    """So many at once, those before one that was seen, and those about one subject."""
    with keyed.write() as session:
        ids = [entry.id for entry in rows(session)]
        about = [audit.note_act(session, "number_shown", "case:4", by_id=None).id for _ in range(2)]
        every = [*reversed(about), *reversed(ids)]
        assert [entry.id for entry in audit.newest(session, 99)] == every
        assert [entry.id for entry in audit.newest(session, 3)] == every[:3]
        assert [entry.id for entry in audit.newest(session, 3, before_id=every[2])] == every[3:6]
        assert [entry.id for entry in audit.newest(session, 99, subject="case:4")] == [*reversed(about), ids[4]]
        assert [entry.id for entry in audit.newest(session, 99, about[0], "case:4")] == [ids[4]]
        assert audit.count(session) == len(every)
        assert audit.head(session) == (about[1], rows(session)[-1].digest)


def test_nothing_that_was_done_has_no_head_and_nothing_to_check(db: Database) -> None:
    with db.read() as session:
        assert audit.head(session) is None
        assert audit.count(session) == 0
    assert verdict(db) == Verdict(0)
    assert verdict(db, last=4) == Verdict(0)


def test_a_long_check_says_how_far_it_is(keyed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends when whoever is told raises."""
    monkeypatch.setattr(audit, "AT_ONCE", 4)
    told: list[int] = []
    with keyed.read() as session:
        assert audit.verify(session, Anchors(), on_progress=told.append) == Verdict(9)
    assert told == [4, 8]


@pytest.mark.parametrize("whole", [0, 2])
@pytest.mark.parametrize("torn", [b"{", b'{"at": "20', b'{"at": "2026", "entry": 1}'])
def test_the_next_anchor_goes_in_the_place_of_a_torn_one_however_little_there_is_of_it(
    keyed: Database, keys: Keys, settings: Settings, whole: int, torn: bytes
) -> None:
    """One byte is enough to spoil the line that is written behind it."""
    path = settings.audit_anchors
    path.parent.mkdir(parents=True, exist_ok=True)
    for n in range(whole):
        audit_anchors.add(path, keys.audit, n, "digest")
    with path.open("ab") as file:
        file.write(torn)
    anchored(keyed, keys, path)
    anchors = audit_anchors.read(path, keys.audit)
    assert (len(anchors.lines), anchors.forged) == (whole + 1, None)
    assert torn + b"{" not in path.read_bytes()


@pytest.mark.parametrize("row", [b"{}", b"nonsense", b"[]", b'{"at": "2026", "entry": "x", "digest": "d", "mac": "m"}'])
def test_a_file_of_anchors_that_cannot_be_read_is_forged_after_the_last_entry_that_can(
    keyed: Database, keys: Keys, settings: Settings, row: bytes
) -> None:
    """0 when none can."""
    path = settings.audit_anchors
    (line,) = anchored(keyed, keys, path).lines
    whole = path.read_bytes()
    path.write_bytes(whole + row + b"\n")
    assert audit_anchors.read(path, keys.audit) == Anchors([line], line.entry_id, expected=True)
    path.write_bytes(row + b"\n" + whole)
    assert audit_anchors.read(path, keys.audit) == Anchors([], 0, expected=True)


def test_the_anchors_are_kept_where_only_this_account_reads(tmp_path: Path) -> None:
    """In a folder of their own, when there is none yet."""
    path = tmp_path / "a" / "new" / "anchors"
    audit_anchors.add(path, b"key", 1, "digest")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_audit_that_was_emptied_shows_by_the_anchor_of_its_first_entry(db: Database) -> None:
    line = audit_anchors.Anchor("2026-11-22T12:00:00+00:00", 1, "digest", "mac")
    assert verdict(db, Anchors([line])) == Verdict(0, Trouble.CUT, 1)
