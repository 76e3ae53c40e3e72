"""What is measured of a recording."""

import array
import hashlib
import io
import math
import wave
from itertools import pairwise

import pytest

from recordings.vault import audio
from recordings.vault.audio import First, Sound, from_bytes, measure, parts, wav


def tone(seconds: float, height: int) -> bytes:
    return array.array("h", [int(height * math.sin(i / 3)) for i in range(int(seconds * 8000))]).tobytes()


def test_half_a_sample_at_the_end_is_trimmed_and_told() -> None:
    sound = from_bytes(tone(1, 1000) + b"\x01")
    assert sound.odd
    assert sound.duration_s == 1.0
    assert sound.worth_keeping


def test_less_than_a_third_of_a_second_is_no_message() -> None:
    assert not from_bytes(b"").worth_keeping
    assert not from_bytes(b"\x01").worth_keeping
    assert not from_bytes(bytes(4000)).worth_keeping


def test_silence_is_a_message() -> None:
    """Silence may be danger: only a person says that nobody spoke."""
    assert from_bytes(bytes(16000)).worth_keeping


def test_peaks_show_where_it_is_loud() -> None:
    values = from_bytes(tone(1, 0) + tone(1, 300) + tone(1, 32767)).peaks
    assert len(values) == 200
    assert values[10] == 0
    assert 0 < values[100] < 50
    assert values[190] > 95
    assert all(0 <= value <= 100 for value in values)


def test_a_very_short_or_clipped_recording_can_be_drawn() -> None:
    assert from_bytes(b"").peaks == []
    assert from_bytes(array.array("h", [-32768]).tobytes()).peaks == [100]


def test_a_long_recording_is_measured_piece_by_piece_and_comes_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pcm = b"".join(tone(0.7, height) for height in range(0, 32000, 1777)) + b"\0\0"
    whole = from_bytes(pcm)
    assert whole.sha256 == hashlib.sha256(pcm).hexdigest()
    samples = array.array("h", pcm)
    cuts = [at * len(samples) // 200 for at in range(201)]
    heights = [max(map(abs, samples[a:b])) for a, b in pairwise(cuts)]
    assert [height == 0 for height in heights] == [value == 0 for value in whole.peaks]
    assert sorted(range(200), key=lambda i: whole.peaks[i])[-1] in {i for i in range(200) if heights[i] == max(heights)}
    for piece in (2, 318, 4096):
        monkeypatch.setattr(audio, "PIECE", piece)
        assert from_bytes(pcm) == whole


def test_hours_are_looked_at_here_and_there_only_and_hashed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "LOOKED_AT", 4000)
    pcm = tone(1, 300) + tone(1, 32000)
    sound = from_bytes(pcm)
    assert sound.sha256 == hashlib.sha256(pcm).hexdigest()
    assert sound.peaks[50] < 50 < sound.peaks[150]


def test_a_file_that_became_shorter_is_not_measured() -> None:
    with pytest.raises(OSError, match="shorter"):
        measure(io.BytesIO(bytes(100)), 200)


def test_only_what_was_measured_of_a_growing_file_is_read() -> None:
    assert measure(io.BytesIO(bytes(1000)), 101) == Sound(100, odd=True, sha256=_sha(100), peaks=[0] * 50)
    assert First(io.BytesIO(b"abcdef"), 4).read() == b"abcd"
    few = First(io.BytesIO(b"abcdef"), 4)
    assert [few.read(3), few.read(3), few.read(3)] == [b"abc", b"d", b""]


def _sha(size: int) -> str:
    return hashlib.sha256(bytes(size)).hexdigest()


def test_a_conversation_is_cut_where_it_is_quiet() -> None:
    pcm = tone(25, 9000) + bytes(16000) + tone(30, 9000) + bytes(16000) + tone(10, 9000)
    cuts = parts(pcm, 8000, longest_s=30)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == len(pcm)
    assert all(before[1] == after[0] for before, after in pairwise(cuts))
    assert all(0 < end - start <= 30 * 16000 for start, end in cuts)
    assert all(start % 2 == 0 for start, _ in cuts)
    assert 25 <= cuts[0][1] / 16000 <= 26


def test_what_is_short_is_one_part() -> None:
    assert parts(tone(3, 100), 8000, longest_s=30) == [(0, 48000)]
    assert parts(b"", 8000, longest_s=30) == [(0, 0)]


def test_the_wav_is_what_players_expect() -> None:
    pcm = tone(0.5, 500)
    with wave.open(io.BytesIO(wav(pcm, 8000))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert file.readframes(file.getnframes()) == pcm
