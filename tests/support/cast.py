"""The people of every test: Alice and Bob answer, Sofia supervises, Adam administers, Charlie must see nothing."""

from dataclasses import dataclass, fields

from sqlmodel import Session, col, select

from hotline.line import languages
from hotline.staff import people
from models import Agent, Proficiency, Role

PASSWORD = "correct horse battery"
LINE = "1800123456"


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


def bake(session: Session) -> None:
    """Put the demo's menu and the cast into a database from which others are copied."""
    languages.seed(session, [LINE], demo=True)
    hire(session)


def find(session: Session) -> Cast:
    """The cast of a database that was copied from one with them."""
    by_login = {agent.login: agent for agent in session.exec(select(Agent).order_by(col(Agent.id)))}
    return Cast(**{one.name: by_login[one.name] for one in fields(Cast)})
