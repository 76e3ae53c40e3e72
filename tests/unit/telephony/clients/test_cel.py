import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from telephony.clients.cel import CelLog

T = 1795364862.0


def row(kind: str, uniqueid: str, at: float, linkedid: str | None = None, channel: str = "PJSIP/trunk-00000000") -> str:
    found = {
        "eventtype": kind,
        "eventtime": at,
        "uniqueid": uniqueid,
        "linkedid": linkedid or uniqueid,
        "channame": channel,
        "exten": "1800123456",
    }
    return json.dumps(found) + "\n"


def whole_call(uniqueid: str, at: float = T) -> str:
    leg, agent = uniqueid + "9", "PJSIP/agent3-00000001"
    return (
        row("CHAN_START", uniqueid, at)
        + row("CHAN_START", leg, at + 5, uniqueid, agent)
        + row("BRIDGE_ENTER", leg, at + 9, uniqueid, agent)
        + row("BRIDGE_ENTER", uniqueid, at + 9)
        + row("CHAN_END", leg, at + 60, uniqueid, agent)
        + row("CHAN_END", uniqueid, at + 61)
        + row("LINKEDID_END", uniqueid, at + 62)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.json"


@pytest.fixture
def cel(path: Path, tmp_path: Path) -> CelLog:
    return CelLog(path, tmp_path / "run" / "kept.json", set_aside_at=5000)


def again(cel: CelLog) -> CelLog:
    """The next process's view of the same files."""
    return CelLog(cel.path, cel.kept, cel.set_aside_at)


def moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def test_a_trail_tells_the_beginning_the_answer_and_the_end(cel: CelLog, path: Path) -> None:
    path.write_text(whole_call("1.1"))
    (trail,) = cel.read().values()
    assert (trail.linkedid, trail.line) == ("1.1", "1800123456")
    assert trail.started_at == moment(T)
    assert trail.answered == (3, moment(T + 9))
    assert trail.ended_at == moment(T + 61)
    assert trail.last_at == moment(T + 62)


def test_no_file_is_no_trail(cel: CelLog) -> None:
    assert cel.read() == {}
    cel.settle([])


def test_what_an_agent_dialled_is_on_no_line(cel: CelLog, path: Path) -> None:
    path.write_text(row("CHAN_START", "1.1", T, channel="PJSIP/agent1-00000000"))
    (trail,) = cel.read().values()
    assert trail.line is None


def test_a_call_that_an_agent_made_is_answered_when_she_is_together_with_the_worker(cel: CelLog, path: Path) -> None:
    agent = "PJSIP/agent3-00000001"
    path.write_text(
        row("CHAN_START", "1.1", T, channel=agent)
        + row("CHAN_START", "1.2", T + 2, "1.1")
        + row("BRIDGE_ENTER", "1.2", T + 9, "1.1")
        + row("BRIDGE_ENTER", "1.1", T + 9, channel=agent)
        + row("CHAN_END", "1.1", T + 60, channel=agent)
    )
    (trail,) = cel.read().values()
    assert (trail.line, trail.answered, trail.ended_at) == (None, (3, moment(T + 9)), moment(T + 60))


def test_what_is_called_by_itself_is_on_no_line(cel: CelLog, path: Path) -> None:
    local = row("CHAN_START", "1.1", T, channel="Local/call@recorder-00000001;1")
    path.write_text(local + row("CHAN_END", "1.1", T + 5, channel="Local/call@recorder-00000001;1"))
    assert cel.read() == {}


def test_what_is_settled_is_not_read_again_even_by_the_next_process(cel: CelLog, path: Path) -> None:
    path.write_text(whole_call("1.1") + whole_call("1.2"))
    assert list(cel.read()) == ["1.1", "1.2"]
    cel.settle([])
    assert again(cel).read() == {}
    with path.open("a") as file:
        file.write(whole_call("1.3"))
    assert list(again(cel).read()) == ["1.3"]


def test_what_is_not_settled_is_read_again_whole(cel: CelLog, path: Path) -> None:
    path.write_text(whole_call("1.1") + whole_call("1.2") + whole_call("1.3"))
    trails = cel.read()
    cel.settle([trails["1.2"]])
    found = again(cel).read()
    assert list(found) == ["1.2", "1.3"]
    assert found["1.2"].answered == trails["1.2"].answered


def test_late_rows_of_a_settled_call_are_no_new_call(cel: CelLog, path: Path) -> None:
    path.write_text(row("CHAN_START", "1.1", T))
    cel.read()
    cel.settle([])
    with path.open("a") as file:
        file.write(row("CHAN_END", "1.1", T + 5) + row("LINKEDID_END", "1.1", T + 5))
    assert again(cel).read() == {}


def test_a_row_that_is_being_written_waits_and_a_broken_one_is_passed(cel: CelLog, path: Path) -> None:
    whole = whole_call("1.2")
    path.write_text("{broken\n[]\n" + whole_call("1.1") + whole[:-10])
    assert cel.read()["1.2"].last_at == moment(T + 61)
    cel.settle([])
    path.write_text("{broken\n[]\n" + whole_call("1.1") + whole + whole_call("1.3"))
    assert list(again(cel).read()) == ["1.3"]


@pytest.mark.parametrize("bad", ["soon", None, "1e400", "nan", {}])
def test_a_row_without_a_moment_is_passed(cel: CelLog, path: Path, bad: object) -> None:
    path.write_text(json.dumps({**json.loads(row("CHAN_START", "1.1", T)), "eventtime": bad}) + "\n")
    assert cel.read() == {}


def test_a_long_file_is_set_aside_and_removed_once_all_in_it_is_settled(cel: CelLog, path: Path) -> None:
    path.write_text("".join(whole_call(f"1.{n}") for n in range(10)))
    trails = cel.read()
    cel.settle([trails["1.9"]])
    assert cel.aside.exists()
    assert not path.exists()
    path.write_text(whole_call("2.1"))
    trails = again(cel).read()
    assert list(trails) == ["1.9", "2.1"], "an unsettled call is found across both files"
    cel = again(cel)
    trails = cel.read()
    cel.settle([trails["2.1"]])
    assert not cel.aside.exists()
    assert list(again(cel).read()) == ["2.1"]


def test_the_files_never_grow_for_ever(cel: CelLog, path: Path) -> None:
    for n in range(200):
        with path.open("a") as file:
            file.write(whole_call(f"3.{n}"))
        assert f"3.{n}" in cel.read()
        cel.settle([])
    sizes = [file.stat().st_size for file in (path, cel.aside) if file.exists()]
    assert sum(sizes) <= 2 * cel.set_aside_at + 2000


def test_a_file_that_was_cut_or_replaced_is_read_from_its_beginning(cel: CelLog, path: Path) -> None:
    path.write_text(whole_call("1.1") + whole_call("1.2"))
    cel.read()
    cel.settle([])
    path.write_text(whole_call("1.3"))
    assert list(again(cel).read()) == ["1.3"]
    cel.kept.write_text("rubbish")
    assert list(again(cel).read()) == ["1.3"]
