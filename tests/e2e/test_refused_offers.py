"""A carrier that offers no sound we speak shows in the console on the first day."""

import pytest
from sqlmodel import select

from models import RefusedCalls, RefusedKind
from tests.support.databases import on_sqlite
from tests.support.invites import G729, invite
from tests.support.stack import Whole
from tests.support.wait import until


@on_sqlite
@pytest.mark.timeout(180)
def test_a_call_with_a_codec_that_we_have_not_is_counted(quick: Whole) -> None:
    """From Asterisk's words, over its keeper, the dialplan and the switchboard, into the table: some ten seconds."""
    for _ in range(3):
        assert invite(quick.line, "sip:1800123456@SERVER", sdp=G729) == 488

    def counted() -> list[tuple[RefusedKind, str, int]]:
        with quick.db.read() as session:
            return [(row.kind, row.shape, row.count) for row in session.exec(select(RefusedCalls))]

    until(lambda: sum(count for _, _, count in counted()) >= 3, 60, 0.2)
    assert counted() == [(RefusedKind.NO_SOUND, "488", 3)]
    assert quick.contacts() == []
