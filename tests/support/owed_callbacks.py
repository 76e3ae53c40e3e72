"""A call-back that may be made now, and a fake Asterisk that shows what was dialled."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.settings import Settings
from hotline.staff import states as agents
from models import AgentStatus, Callback, CallbackAttempt, CallbackSafety, Case, Contact, Database, Safety
from models.db.types import now
from telephony.asterisk.secrets import make_secrets
from tests.fakes.ami import FakeAmi
from tests.support.cast import Cast
from tests.support.thailand import saw

NUMBER = "0812345678"
DIGITS = "812345678"
LIMITS = {"join_within_s": 900, "brief_s": 10}
ALWAYS = "00:00-00:00"


@dataclass
class Wire:
    """The requests that Asterisk got."""

    ami: FakeAmi

    @property
    def dialled(self) -> list[dict[str, str]]:
        """The calls that it was asked to make."""
        return [fields for fields in self.ami.done if fields["Action"] == "Originate"]

    def saw(self, digits: str) -> bool:
        """Return whether these digits went over the wire, in any action at all."""
        return any(digits in value for fields in self.ami.done for value in fields.values())


@contextmanager
def asterisk(settings: Settings, cast: Cast) -> Iterator[Wire]:
    """A fake Asterisk with a trunk; the phones of Alice, Bob and Sofia are free."""
    settings.trunk_host = "127.0.0.1"
    make_secrets(settings)
    with FakeAmi(settings.ami_port) as ami:
        ami.devices = {f"PJSIP/{agent.sip_name}": "NOT_INUSE" for agent in (cast.alice, cast.bob, cast.sofia)}
        yield Wire(ami)


def phones_on(db: Database, cast: Cast) -> None:
    """Alice, Bob and Sofia are ready, and their phones are there."""
    with db.write() as session:
        for agent in (cast.alice, cast.bob, cast.sofia):
            agents.set_status(session, agent.id, AgentStatus.READY)
            agents.set_reachable(session, agent.id, True)


def a_call(
    db: Database, keys: Keys, name: str = "first", *, ago: timedelta = timedelta(hours=3), number: str = NUMBER
) -> int:
    """Add a call that left the queue; return the id of its case."""
    at = now() - ago
    with db.write() as session:
        saw(session, keys, name, Fact.ARRIVED, at, Seen(linkedid=name, number=number))
        contact = saw(session, keys, name, Fact.KEY, at, Seen(language="my"))
        saw(session, keys, name, Fact.QUEUED, at, Seen(queue="my"))
        calls.close(session, contact, at + timedelta(minutes=1), **LIMITS)
        return contact.case_id or 0


def say_safe(db: Database, case_id: int, cast: Cast, **values: object) -> None:
    """Record that a call is safe at any hour, and the other `values`."""
    with db.write() as session:
        said = {"callback": CallbackSafety.SAFE, "window": ALWAYS} | values
        safety_form.set_safety(session, case_id, cast.bob, **said)


def owe(db: Database, keys: Keys, cast: Cast, **values: object) -> tuple[int, int]:
    """Add a worker who may be called now; return the ids of the case and of the call-back."""
    case_id = a_call(db, keys)
    say_safe(db, case_id, cast, **values)
    with db.read() as session:
        return case_id, session.exec(select(Callback.id).where(Callback.case_id == case_id)).one() or 0


def item_of(db: Database, callback_id: int) -> Callback:
    with db.read() as session:
        return session.get_one(Callback, callback_id)


def safety_of(db: Database, case_id: int) -> Safety:
    with db.read() as session:
        return session.get_one(Safety, case_id)


def case_of(db: Database, case_id: int) -> Case:
    with db.read() as session:
        return session.get_one(Case, case_id)


def tries(db: Database) -> list[CallbackAttempt]:
    with db.read() as session:
        return list(session.exec(select(CallbackAttempt)))


def hang_up(db: Database, *, answered: bool = False) -> None:
    """End our call that is in progress."""
    with db.write() as session:
        for contact in session.exec(select(Contact).where(Contact.ended_at == None)):  # noqa: E711
            contact.answered_at = now() if answered else None
            calls.close(session, contact, now(), **LIMITS)
