"""Where a case may go from where it stands, and who may move it there."""

import pytest

from hotline.cases import lifecycle
from hotline.errors import Refused
from models import CaseStatus, Role

AGENT, SUPERVISOR, ADMINISTRATOR = Role.AGENT, Role.SUPERVISOR, Role.ADMINISTRATOR


@pytest.mark.parametrize("start", CaseStatus)
def test_the_moves_that_are_offered_are_the_ones_that_are_allowed(start: CaseStatus) -> None:
    """What a page offers to an agent or to a supervisor is what the check lets through, and an administrator has none."""
    for role in (AGENT, SUPERVISOR, ADMINISTRATOR):
        through = []
        for end in CaseStatus:
            try:
                lifecycle.check_move(start, end, role, "because")
            except Refused:
                continue
            through.append(end)
        assert set(lifecycle.allowed(start, role)) == set(through)
        assert (through != []) is (role is not ADMINISTRATOR)


def test_a_refused_move_says_who_may_make_it_or_that_there_is_none() -> None:
    with pytest.raises(Refused, match="cannot go from new to worker verification"):
        lifecycle.check_move(CaseStatus.NEW, CaseStatus.WORKER_VERIFICATION, SUPERVISOR, "because")
    with pytest.raises(Refused, match="Only a supervisor may move a case from active to closed"):
        lifecycle.check_move(CaseStatus.ACTIVE, CaseStatus.CLOSED, AGENT, "because")
    lifecycle.check_move(CaseStatus.ACTIVE, CaseStatus.CLOSED, SUPERVISOR, "because")
    lifecycle.check_move(CaseStatus.NEW, CaseStatus.TRIAGED, AGENT, "")
