"""The people of every test: Alice and Bob answer, Sofia supervises, Adam keeps the machine, Charlie must see nothing."""

from dataclasses import dataclass

from sqlmodel import Session

from hotline import people
from models import Agent, Proficiency, Role

PASSWORD = "correct horse battery"


@dataclass
class Cast:
    """Alice speaks Burmese and Thai, Bob Thai and a little Khmer, Charlie has left."""

    alice: Agent
    bob: Agent
    sofia: Agent
    adam: Agent
    charlie: Agent


def hire(session: Session) -> Cast:
    """Add the cast to a database."""
    add = people.add_agent
    fluent, native, basic = Proficiency.FLUENT, Proficiency.NATIVE, Proficiency.BASIC
    cast = Cast(
        alice=add(session, "alice", "Alice", Role.AGENT, PASSWORD, {"my": native, "th": fluent}),
        bob=add(session, "bob", "Bob", Role.AGENT, PASSWORD, {"th": native, "km": basic}),
        sofia=add(session, "sofia", "Sofia", Role.SUPERVISOR, PASSWORD, {"en": fluent}),
        adam=add(session, "adam", "Adam", Role.ADMINISTRATOR, PASSWORD),
        charlie=add(session, "charlie", "Charlie", Role.AGENT, PASSWORD, {"my": fluent}),
    )
    cast.charlie.active = False
    session.add(cast.charlie)
    session.flush()
    return cast
