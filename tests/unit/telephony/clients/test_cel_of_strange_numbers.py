"""What somebody dialled that is no number of ours stays in Asterisk's records for a sweep or two, not for long."""

from pathlib import Path

from telephony.clients.cel import CelLog
from tests.unit.telephony.clients.test_cel import T, row, whole_call

STRANGE = "0861234567"


def test_a_number_that_is_not_ours_is_gone_after_two_sweeps(tmp_path: Path) -> None:
    path = tmp_path / "calls.json"
    cel = CelLog(path, tmp_path / "run" / "kept.json")
    strange = row("CHAN_START", "7.1", T) + row("CHAN_END", "7.1", T) + row("LINKEDID_END", "7.1", T)
    path.write_text(whole_call("6.1") + strange.replace("1800123456", STRANGE))
    assert cel.read()["7.1"].line == STRANGE
    cel.settle([], set_aside=True)
    path.write_text(whole_call("8.1", T + 60))
    assert list(cel.read()) == ["8.1"]
    cel.settle([])
    assert [file for file in tmp_path.rglob("*") if file.is_file() and STRANGE in file.read_text()] == []
    assert list(cel.read()) == []


def test_a_call_in_progress_keeps_the_file_that_it_is_in(tmp_path: Path) -> None:
    path = tmp_path / "calls.json"
    cel = CelLog(path, tmp_path / "run" / "kept.json")
    path.write_text(row("CHAN_START", "6.1", T))
    cel.settle([cel.read()["6.1"]], set_aside=True)
    path.write_text(row("CHAN_END", "6.1", T + 9) + row("LINKEDID_END", "6.1", T + 9))
    assert cel.read()["6.1"].ended_at is not None
