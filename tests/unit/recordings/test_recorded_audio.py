"""What is measured of a recording."""

import array
import io
import math
import wave

from recordings.audio import from_bytes, peaks, wav


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
    values = peaks(tone(1, 0) + tone(1, 300) + tone(1, 32767))
    assert len(values) == 200
    assert values[10] == 0
    assert 0 < values[100] < 50
    assert values[190] > 95
    assert all(0 <= value <= 100 for value in values)


def test_a_very_short_or_clipped_recording_can_be_drawn() -> None:
    assert peaks(b"") == []
    assert peaks(array.array("h", [-32768]).tobytes()) == [100]


def test_the_wav_is_what_players_expect() -> None:
    pcm = tone(0.5, 500)
    with wave.open(io.BytesIO(wav(pcm, 8000))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert file.readframes(file.getnframes()) == pcm
