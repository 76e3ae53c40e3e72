"""The moves of a case from status to status, read from hotline/data/case_moves.toml."""

import tomllib
from functools import cache
from pathlib import Path

from hotline.errors import Refused
from models import CaseStatus, Role

RANK = {Role.AGENT: 1, Role.SUPERVISOR: 2}


@cache
def moves() -> dict[CaseStatus, dict[CaseStatus, Role]]:
    """For each status, where it may go and the least role that may make the move."""
    with (Path(__file__).parents[1] / "data" / "case_moves.toml").open("rb") as file:
        return {
            CaseStatus(start): {CaseStatus(end): Role(role) for end, role in ends.items()}
            for start, ends in tomllib.load(file).items()
        }


def allowed(start: CaseStatus, role: Role) -> list[CaseStatus]:
    """Where this role may move a case from here."""
    return [end for end, least in moves()[start].items() if RANK.get(role, 0) >= RANK[least]]


def check_move(start: CaseStatus, end: CaseStatus, role: Role, reason: str) -> None:
    """Raise `Refused`, with the reason, unless this role may make this move."""
    least = moves()[start].get(end)
    if least is None:
        raise Refused(f"A case cannot go from {words(start)} to {words(end)}.")
    if RANK.get(role, 0) < RANK[least]:
        raise Refused(f"Only a {least} may move a case from {words(start)} to {words(end)}.")
    if start is CaseStatus.CLOSED and not reason.strip():
        raise Refused("Say why the case is opened again.")
    if end is CaseStatus.CLOSED and not reason.strip():
        raise Refused("Say why the case is closed.")


def words(status: CaseStatus) -> str:
    """A status as people say it."""
    return status.replace("_", " ")
