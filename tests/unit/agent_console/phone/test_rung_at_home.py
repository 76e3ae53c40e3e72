"""Who is rung at home: her number is typed and never shown back, and Asterisk knows it only while she is on duty."""

from asyncio import get_running_loop
from collections.abc import Callable, Iterator
from datetime import time

import pytest
from aiohttp.test_utils import TestServer

from agent_console.console import CONSOLE, Console
from agent_console.phone.mobile_sync import MobileSync
from hotline.keys import Keys
from hotline.nudges import AGENTS_CHANGED, Nudges
from hotline.roster import shifts
from hotline.settings import Settings
from hotline.staff import mobiles, people
from hotline.staff import states as agents
from models import Agent, AgentStatus, Database
from models.db.types import now
from telephony import names
from tests.fakes.ami import Fields, Session
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.owed_callbacks import Wire, asterisk
from tests.support.thailand import THAI
from tests.support.wait import until

MOBILE = "081 555 0042"
KEPT = "+66815550042"


@pytest.fixture(autouse=True)
def trunk(settings: Settings) -> None:
    """Without a trunk no mobile is rung."""
    settings.trunk_host = "127.0.0.1"


@pytest.fixture
def wire(settings: Settings, staff: Cast) -> Iterator[Wire]:
    """A fake Asterisk that keeps its globals, as a real one does until it restarts."""
    with asterisk(settings, staff) as it:

        def read(session: Session, action: Fields) -> None:
            value = it.ami.globals.get(action["Variable"], "")
            session.send({"Response": "Success", "ActionID": action["ActionID"], "Value": value})

        it.ami.on["Getvar"] = read
        yield it


def at_home(db: Database, keys: Keys, agent: Agent, number: str | None = KEPT) -> None:
    """On a shift at home, every day round the clock."""
    with db.write() as session:
        mobiles.set_mobile(session, keys, agent.id, number, by_id=None, numbering=THAI)
        for day in range(7):
            shifts.add_shift(session, agent.id, starts=time(0), ends=time(0), weekday=day, at_home=True)


def known(wire: Wire) -> dict[str, str]:
    """The mobiles that Asterisk has in its memory."""
    return {k: v for k, v in wire.ami.globals.items() if k.startswith(names.MOBILE_PREFIX) and v}


def mobile_of(db: Database, keys: Keys, agent: Agent) -> str | None:
    with db.read() as session:
        sealed = session.get_one(Agent, agent.id).mobile_sealed
    return keys.open(sealed).decode() if sealed is not None else None


async def test_her_own_number_is_kept_and_only_its_end_is_shown(
    alice: Browser, db: Database, staff: Cast, keys: Keys
) -> None:
    """On her account; an empty one forgets it."""
    assert (await alice.post("/account/mobile", mobile=MOBILE)).headers["Location"] == "/account"
    assert mobile_of(db, keys, staff.alice) == KEPT
    text = await alice.text("/account")
    assert "•••• ••42" in text
    assert "5550042" not in text.replace(" ", "")
    await alice.post("/account/mobile", mobile="")
    assert mobile_of(db, keys, staff.alice) is None


async def test_an_administrator_sets_it_for_somebody(
    adam: Browser, alice: Browser, db: Database, staff: Cast, keys: Keys
) -> None:
    """On the page of the person; nobody else may."""
    where = f"/settings/people/{staff.bob.id}"
    assert (await adam.post(f"{where}/mobile", mobile=MOBILE)).headers["Location"] == where
    text = await adam.text(where)
    assert "•••• ••42" in text
    assert "5550042" not in text.replace(" ", "")
    assert (await alice.post(f"{where}/mobile", mobile="0899999999")).status == 403
    assert (await adam.post("/settings/people/999/mobile", mobile=MOBILE)).status == 404
    assert mobile_of(db, keys, staff.bob) == KEPT


async def test_what_is_no_number_is_refused_and_not_shown_back(adam: Browser, staff: Cast) -> None:
    """Whatever was typed may be somebody's number with a slip of the finger."""
    for wrong in ("soon", "12", "+66 81"):
        answer = await adam.post(f"/settings/people/{staff.bob.id}/mobile", HTMX, mobile=wrong)
        text = await answer.text()
        assert answer.status == 422, wrong
        assert "This is no telephone number" in text
        assert f'value="{wrong}"' not in text


async def test_the_roster_says_who_is_rung_at_home_and_who_cannot_be(
    signed_in: SignIn, db: Database, staff: Cast, keys: Keys
) -> None:
    """A shift at home without a number is a hole that looks like cover."""
    at_home(db, keys, staff.alice)
    at_home(db, keys, staff.bob, None)
    text = await signed_in(staff.sofia).text("/roster")
    assert text.count("rung at home now") == 1
    assert text.count("home, no number") == 7
    with db.write() as session:
        for _ in range(2):
            agents.mobile_missed(session, staff.alice.id, now(), 600)
    sofia = signed_in(staff.sofia)
    text = await sofia.text("/roster")
    assert "rung at home now" not in text
    assert text.count("mobile left alone until") == 1
    assert "mobile left alone" in await sofia.text("/desk/people")


def test_who_is_on_duty_is_in_asterisks_memory_and_nobody_else(
    server: TestServer, wire: Wire, db: Database, staff: Cast, keys: Keys
) -> None:
    """Leftovers of an earlier run go, a break and the end of a shift take it away, and no number is kept by us."""
    console: Console = server.app[CONSOLE]  # type: ignore[union-attr]
    alice, bob = staff.alice.id, staff.bob.id
    wire.ami.globals[f"{names.MOBILE_PREFIX}{bob}"] = "+66899999999"
    at_home(db, keys, staff.alice)
    told = MobileSync()
    told.check(console)
    assert known(wire) == {f"{names.MOBILE_PREFIX}{alice}": KEPT}
    assert KEPT not in repr(told)
    before = wire.ami.count("Setvar")
    told.check(console)
    assert wire.ami.count("Setvar") == before, "what is right is left alone"
    with db.write() as session:
        agents.take_break(session, session.get_one(Agent, alice), "meal")
    told.check(console)
    assert known(wire) == {}


def test_a_new_number_a_restart_of_asterisk_and_one_who_left_are_put_right(
    server: TestServer, wire: Wire, db: Database, staff: Cast, keys: Keys
) -> None:
    """Each within one look."""
    console: Console = server.app[CONSOLE]  # type: ignore[union-attr]
    alice = staff.alice.id
    at_home(db, keys, staff.alice)
    told = MobileSync()
    told.check(console)
    with db.write() as session:
        mobiles.set_mobile(session, keys, alice, "0899999999", by_id=None, numbering=THAI)
    told.check(console)
    assert list(known(wire).values()) == ["+66899999999"]
    wire.ami.globals.clear()
    told.check(console)
    assert list(known(wire).values()) == ["+66899999999"], "a restart has forgotten everything"
    with db.write() as session:
        people.deactivate(session, alice, by_id=None)
    told.check(console)
    assert known(wire) == {}


def test_without_asterisk_nothing_is_lost_and_no_number_is_logged(
    server: TestServer, db: Database, staff: Cast, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is tried again; one line in the log says that it cannot be told."""
    console: Console = server.app[CONSOLE]  # type: ignore[union-attr]
    at_home(db, keys, staff.alice)
    told = MobileSync()
    for _ in range(5):
        told.check(console)
    said = capsys.readouterr()
    assert (said.out + said.err).count("Asterisk cannot be told") == 1
    assert KEPT[-7:] not in said.out + said.err


async def test_a_change_of_an_agent_reaches_asterisk_without_waiting(
    settings: Settings,
    keys: Keys,
    redis: Callable[[], object],
    wire: Wire,
    db: Database,
    staff: Cast,
    server: TestServer,
) -> None:
    """The console's own task, told by a nudge: its own look is fifteen seconds away."""
    at_home(db, keys, staff.alice)
    with db.write() as session:
        agents.set_status(session, staff.alice.id, AgentStatus.OFFLINE)
    redis()
    nudges = Nudges(settings.redis)

    def there() -> bool:
        nudges.tell(AGENTS_CHANGED)
        return bool(known(wire))

    await get_running_loop().run_in_executor(None, lambda: until(there, 8, 0.5))
