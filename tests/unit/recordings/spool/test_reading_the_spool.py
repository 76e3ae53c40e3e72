"""What the spool holds is read with patience and without trust."""

import json
import os
from pathlib import Path

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
    (tmp_path / f"{CALL}.call").symlink_to("/etc/hostname")
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
    assert not being_written(path)
    assert not being_written(tmp_path / "gone")


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
