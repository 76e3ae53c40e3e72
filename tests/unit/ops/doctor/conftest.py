"""What the tests of the doctor share."""

from collections.abc import Callable, Iterator

from hotline.settings import Settings
from ops.doctor.finding import Finding

Look = Callable[[Settings], Iterator[Finding]]


def said(look: Look, settings: Settings, **changes: object) -> list[str]:
    """What is found, as `grade text`; every finding that is not ok says what to do."""
    found = list(look(settings.model_copy(update=changes)))
    assert all(bool(finding.mend) is (finding.grade != "ok") for finding in found), found
    return [f"{finding.grade} {finding.text}" for finding in found]


def one(lines: list[str], start: str) -> str:
    """The one line that begins so."""
    [line] = [line for line in lines if line.startswith(start)]
    return line
