"""Rejoining a call that was lost while others had it: offered to whoever lost it, and to nobody else."""

import pytest
from sqlmodel import Session, select

from hotline.calls import conversations
from hotline.keys import Keys
from hotline.staff import states as agents
from models import Contact, Database, Party
from models.db.types import now
from tests.support.browsers import HTMX, Browser
from tests.support.cast import Cast
from tests.support.fake_operator import Operated
from tests.support.on_call import Line

BAR = HTMX | {"HX-Target": "bar"}


def left(session: Session, keys: Keys, staff: Cast, reason: str | None) -> Contact:
    """Alice was in a call that Sofia has now."""
    contact = Line(session, keys).answered(staff.alice)
    conversations.hand_to(session, contact.call, staff.sofia.id, now())
    agents.off_call(session, staff.alice.id, now(), 60, reason)
    return contact


async def test_who_lost_a_call_that_goes_on_is_offered_to_rejoin_and_becomes_a_party(
    alice: Browser, db: Database, keys: Keys, staff: Cast, operated: Operated
) -> None:
    with db.write() as session:
        contact = left(session, keys, staff, agents.LINE_BROKE)
    assert "Rejoin" in await alice.text("/state")
    answer = await alice.post(f"/phone/calls/{contact.call}/rejoin", BAR)
    assert answer.status == 200
    with db.read() as session:
        party = session.exec(select(Party)).one()
        talk = conversations.of_call(session, contact.call)
    assert operated.acts == [("rejoin", contact.call, staff.alice.id, party.leg)]
    assert party.agent_id == staff.alice.id
    assert talk is not None
    assert talk.talk.agent_id == staff.sofia.id, "who has the call keeps it"


async def test_who_handed_a_call_over_cannot_come_back_into_it(
    alice: Browser, db: Database, keys: Keys, staff: Cast, operated: Operated
) -> None:
    with db.write() as session:
        contact = left(session, keys, staff, None)
    assert "Rejoin" not in await alice.text("/state")
    assert (await alice.post(f"/phone/calls/{contact.call}/rejoin", BAR)).status == 409
    assert operated.acts == []


@pytest.mark.parametrize("call", ["another", "00000000-0000-4000-8000-000000000000"])
async def test_another_call_cannot_be_joined_that_way(
    alice: Browser, db: Database, keys: Keys, staff: Cast, operated: Operated, call: str
) -> None:
    with db.write() as session:
        left(session, keys, staff, agents.LINE_BROKE)
    assert (await alice.post(f"/phone/calls/{call}/rejoin", BAR)).status == 409
    assert operated.acts == []
