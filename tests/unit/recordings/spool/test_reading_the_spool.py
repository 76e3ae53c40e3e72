"""What the spool holds is read with patience and without trust."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hotline.calls.facts import Fact
from models import CallbackSafety, MessageEnd
from models.db.types import now
from recordings.spool.files import Left, Spool, being_written, read_note, remove

CALL = "3f0b1c52-7d55-4d0e-9a53-0c6a7c1f2b11"


class Clock:
    """A steady clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def only(spool: Spool) -> Left:
    looked = spool.look()
    assert looked.strangers == []
    assert len(looked.left) == 1
    return looked.left[0]


def test_a_recording_and_a_note_of_one_call_belong_together(tmp_path: Path) -> None:
    (tmp_path / f"{CALL}.sln").write_bytes(b"\0\0")
    (tmp_path / f"{CALL}.call").write_text("{}")
    left = only(Spool(tmp_path))
    assert left.call == CALL
    assert left.sound is not None
    assert left.note is not None


def test_quiet_counts_from_the_last_change_and_not_from_the_files_own_time(tmp_path: Path) -> None:
    """A clock that was set back or forward must neither hold a message for ever nor take a growing one."""
    clock = Clock()
    path = tmp_path / f"{CALL}.sln"
    path.write_bytes(b"\0\0")
    os.utime(path, (4_000_000_000, 4_000_000_000))
    spool = Spool(tmp_path, clock)
    assert only(spool).quiet_s == 0
    clock.now += 6
    assert only(spool).quiet_s == 6
    path.write_bytes(b"\0\0\0\0")
    os.utime(path, (1, 1))
    assert only(spool).quiet_s == 0


def test_files_that_are_no_calls_are_told_apart(tmp_path: Path) -> None:
    names = (
        "notes.txt",
        "+66812345678.sln",
        f"{CALL}.wav",
        f"{CALL}.talk0.sln",
        f"{CALL}.talk.sln",
        f"{CALL}.talk1.wav",
    )
    for name in names:
        (tmp_path / name).write_text("x")
    (tmp_path / "rejected").mkdir()
    elsewhere = tmp_path / "rejected" / "elsewhere"
    elsewhere.write_text("{}")
    (tmp_path / f"{CALL}.call").symlink_to(elsewhere)
    looked = Spool(tmp_path).look()
    assert (looked.left, looked.talks) == ([], [])
    assert len(looked.strangers) == len(names)


def test_recorded_conversations_are_told_from_the_message_of_their_call(tmp_path: Path) -> None:
    for number, name in enumerate((f"{CALL}.talk2.sln", f"{CALL}.talk11.sln", f"{CALL}.sln")):
        (tmp_path / name).write_bytes(b"\0\0")
        os.utime(tmp_path / name, (1_790_000_000 + number, 1_790_000_000 + number))
    spool = Spool(tmp_path)
    assert [(talk.call, talk.number) for talk in spool.look().talks] == [(CALL, 2), (CALL, 11)]
    left = only(spool)
    assert left.sound is not None
    assert left.sound.path.name == f"{CALL}.sln"


def test_a_recording_began_as_long_before_its_last_write_as_it_lasts(tmp_path: Path) -> None:
    path = tmp_path / f"{CALL}.talk1.sln"
    path.write_bytes(bytes(16000 * 90))
    os.utime(path, (1_790_000_090, 1_790_000_090))
    (talk,) = Spool(tmp_path).look().talks
    assert talk.file.began_at.timestamp() == 1_790_000_000


def test_a_file_somebody_still_writes_is_known(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.write(b"x")
        assert being_written(path)
    assert being_written(path) is False
    assert being_written(tmp_path / "gone") is None, "nobody can tell"


def test_a_message_is_quiet_only_since_nobody_had_it_open(tmp_path: Path) -> None:
    """Its recorder closes it after each step and opens it again at once: a look in between must not take what is there,
    though the caller was silent for long."""
    path, moment = tmp_path / f"{CALL}.sln", [0.0]
    spool = Spool(tmp_path, lambda: moment[0])
    with path.open("wb") as file:
        file.write(b"\0\0")
        file.flush()
        for _ in range(20):
            moment[0] += 1
            assert only(spool).quiet_s == 0
    moment[0] += 1
    assert only(spool).quiet_s == 1
    with path.open("ab"):
        moment[0] += 1
        assert only(spool).quiet_s == 0
    moment[0] += 5
    assert only(spool).quiet_s == 5


def test_a_file_that_changed_since_it_was_read_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / f"{CALL}.sln"
    path.write_bytes(b"\0\0")
    left = only(Spool(tmp_path))
    path.write_bytes(b"\0\0\0\0")
    assert not remove(left.files)
    assert path.exists()
    assert remove(only(Spool(tmp_path)).files)
    assert not path.exists()


def test_lines_of_a_note_merge_and_the_first_to_say_a_thing_is_kept() -> None:
    lines = [
        {"call": CALL, "linkedid": "1.2", "arrived": 1_790_000_000.5, "number": "0812345678", "reason": "net"},
        {"call": CALL, "language": "my", "number": "0899999999"},
        {"call": CALL, "ended": "1790000090", "reason": "database"},
    ]
    note = read_note("\n".join(json.dumps(line) for line in lines).encode(), CALL)
    assert (note.linkedid, note.number, note.language) == ("1.2", "0812345678", "my")
    assert note.arrived is not None
    assert note.ended is not None
    assert (note.ended - note.arrived).total_seconds() == 89.5
    assert note.reasons == {"net", "database"}
    assert (note.lines, note.broken) == (3, 0)


def test_a_broken_line_loses_only_itself() -> None:
    raw = (
        b'{"call": "' + CALL.encode() + b'", "language": "th"}\n{"number": "08123\n\xff\xfe\x00\n[1]\n'
        b'{"call": "of-another", "language": "my"}\n{"linkedid": "7.8"}\n' + b"[" * 100_000
    )
    note = read_note(raw, CALL)
    assert (note.language, note.linkedid, note.number) == ("th", "7.8", None)
    assert (note.lines, note.broken) == (2, 5)


def test_what_cannot_be_is_not_believed() -> None:
    said = {
        "language": "klingon",
        "arrived": "soon",
        "ended": 9e99,
        "number": "0" * 200,
        "line": ["x"],
        "linkedid": "a\u0000b",
        "cut_short": [1],
    }
    note = read_note(json.dumps(said).encode(), CALL)
    assert (note.language, note.arrived, note.ended, note.number, note.line, note.linkedid) == (None,) * 6
    assert not note.cut_short
    assert note.lines == 1


SAID = {
    "linkedid": "1.2",
    "line": "1800123456",
    "number": "0812345678",
    "language": "my",
    "arrived": 1_790_000_000,
    "ended": 1_790_000_090,
    "cut_short": True,
    "callback_said": "safe",
    "message_end": "silence",
    "facts": {"queued_at": 1_790_000_010, "answered_at": "1790000020", "born_at": 1_790_000_000, "key_at": "soon"},
    "reason": "net",
}
OTHERWISE = {
    "linkedid": "3.4",
    "line": "1800999999",
    "number": "0899999999",
    "language": "th",
    "arrived": 1_790_000_001,
    "ended": 1_790_000_091,
    "cut_short": False,
    "callback_said": "never",
    "message_end": "key",
    "facts": {"queued_at": 1_790_000_011},
    "reason": "disk",
}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_all_that_a_note_says_is_read_and_a_later_line_says_nothing_else() -> None:
    note = read_note("\n\n".join(json.dumps(said) for said in (SAID, OTHERWISE)).encode(), CALL)
    assert (note.linkedid, note.line, note.number, note.language) == ("1.2", "1800123456", "0812345678", "my")
    assert (note.arrived, note.ended) == (at(1_790_000_000), at(1_790_000_090))
    assert note.cut_short
    assert (note.callback_said, note.message_end) == (CallbackSafety.SAFE, MessageEnd.SILENCE)
    assert note.facts == {Fact.QUEUED: at(1_790_000_010), Fact.ANSWERED: at(1_790_000_020)}
    assert (note.reasons, note.lines, note.broken) == ({"net", "disk"}, 2, 0)


def test_what_the_first_line_does_not_say_a_later_one_may() -> None:
    assert read_note(b"{}\n" + json.dumps(SAID).encode(), CALL).reasons == {"net"}
    one, other = read_note(b"{}\n" + json.dumps(SAID).encode(), CALL), read_note(json.dumps(SAID).encode(), CALL)
    other.lines = 2
    assert one == other


@pytest.mark.parametrize(("name", "longest"), [("linkedid", 64), ("line", 32), ("number", 40), ("reason", 32)])
def test_a_word_of_a_note_is_as_long_as_it_may_be_and_no_longer(name: str, longest: int) -> None:
    """The rows have no room for more; a number of so many digits is none."""
    for length, kept in ((1, True), (longest, True), (longest + 1, False), (0, False)):
        note = read_note(json.dumps({name: " " + "7" * length + " "}).encode(), CALL)
        found = note.reasons if name == "reason" else {getattr(note, name)} - {None}
        assert found == ({"7" * length} if kept else set())


@pytest.mark.parametrize("value", ["maybe", "", "SAFE", 3, None, True, ["safe"], {"safe": 1}])
@pytest.mark.parametrize("name", ["callback_said", "message_end", "language", "cut_short", "facts"])
def test_a_word_that_is_not_ours_is_not_taken_for_one(name: str, value: object) -> None:
    """Whatever its type is, the line itself is read."""
    if (name, value) == ("cut_short", True):
        return
    note = read_note(json.dumps({name: value, "linkedid": "1.2"}).encode(), CALL)
    assert (note.linkedid, note.broken, note.facts) == ("1.2", 0, {})
    assert (note.callback_said, note.message_end, note.language, note.cut_short) == (None, None, None, False)


@pytest.mark.parametrize(("value", "cut"), [(True, True), ("1", True), (False, False), ("0", False), ("true", False)])
def test_a_message_was_cut_short_when_the_note_says_so(value: object, cut: bool) -> None:
    assert read_note(json.dumps({"cut_short": value}).encode(), CALL).cut_short is cut


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC).timestamp(), False),
        (datetime(2020, 1, 1, 0, 0, 1, tzinfo=UTC).timestamp(), True),
        (True, False),
        ("nan", False),
    ],
)
def test_a_moment_before_there_was_a_line_is_a_clock_that_was_never_set(value: object, read: bool) -> None:
    assert (read_note(json.dumps({"arrived": value}).encode(), CALL).arrived is not None) is read


@pytest.mark.parametrize(("ahead", "read"), [(timedelta(hours=23), True), (timedelta(hours=25), False)])
def test_a_moment_may_lie_a_day_ahead_and_no_further(ahead: timedelta, read: bool) -> None:
    """The clock was set back since, perhaps."""
    moment = (now() + ahead).timestamp()
    assert (read_note(json.dumps({"arrived": moment}).encode(), CALL).arrived is not None) is read


def test_a_note_of_another_call_says_nothing_and_one_without_a_call_is_this_ones() -> None:
    note = read_note(b'{"call": "another", "linkedid": "1.2"}', CALL)
    assert (note.linkedid, note.lines, note.broken) == (None, 0, 1)
    assert read_note(b'{"linkedid": "1.2"}', CALL).linkedid == "1.2"


def test_a_note_that_grew_without_end_is_read_to_a_million_bytes(tmp_path: Path) -> None:
    line = b'{"linkedid": "1.2"}\n'
    note = read_note(b" " * 999_979 + b"\n" + line + b'{"number": "0812345678"}', CALL)
    assert (note.linkedid, note.number, note.lines) == ("1.2", None, 1)


def test_what_nobody_touches_is_quiet_though_somebody_has_it_open(tmp_path: Path) -> None:
    """A conversation and a note: only a message is recorded in steps."""
    clock = Clock()
    spool = Spool(tmp_path, clock)
    talk, note = tmp_path / f"{CALL}.talk1.sln", tmp_path / f"{CALL}.call"
    with talk.open("wb"), note.open("wb"):
        spool.look()
        clock.now += 9
        looked = spool.look()
        assert looked.talks[0].file.quiet_s == 9
        assert looked.left[0].quiet_s == 9


def test_a_call_is_as_quiet_as_the_last_of_its_files(tmp_path: Path) -> None:
    """The note goes first: it may hold a number in the clear."""
    clock = Clock()
    spool = Spool(tmp_path, clock)
    (tmp_path / f"{CALL}.sln").write_bytes(b"\0\0")
    only(spool)
    clock.now += 5
    (tmp_path / f"{CALL}.call").write_text("{}")
    only(spool)
    clock.now += 3
    left = only(spool)
    assert [file.quiet_s for file in left.files] == [3, 8]
    assert left.quiet_s == 3


def test_what_lies_there_is_told_the_oldest_first(tmp_path: Path) -> None:
    """Of a call by the older of its files."""
    calls = [f"{n}{CALL[1:]}" for n in range(3)]
    for name, written in (
        (f"{calls[0]}.sln", 30), (f"{calls[1]}.sln", 20), (f"{calls[2]}.sln", 40), (f"{calls[2]}.call", 10),
        (f"{calls[0]}.talk2.sln", 30), (f"{calls[0]}.talk1.sln", 40), (f"{calls[1]}.talk1.sln", 10),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"\0\0")
        os.utime(tmp_path / name, (1_790_000_000 + written,) * 2)
    looked = Spool(tmp_path).look()
    assert [left.call for left in looked.left] == [calls[2], calls[1], calls[0]]
    assert [(talk.call, talk.number) for talk in looked.talks] == [(calls[1], 1), (calls[0], 2), (calls[0], 1)]


def test_removing_what_is_gone_already_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / f"{CALL}.sln"
    path.write_bytes(b"\0\0")
    left = only(Spool(tmp_path))
    path.unlink()
    assert remove(left.files)


def test_the_number_of_a_note_is_written_in_no_line_of_log() -> None:
    """A trace shows the words of what was read."""
    assert "812345678" not in repr(read_note(json.dumps(SAID).encode(), CALL))
