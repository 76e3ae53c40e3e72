"""Signing in and out. The browser holds a random token; the table only its hash, so it can be revoked and not stolen.

Wrong tries are counted in hotline.throttle, in memory: they write nothing.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from hotline.staff.states import WITH_A_CALL
from models import Agent, AgentState, SignIn
from models.db.types import now

AT_ONCE = 500
CONFIRMED_FOR = timedelta(minutes=10)
SEEN_EVERY = timedelta(minutes=5)
# A call and its wrap-up are never cut off by the clock: a sign-in that would run out soon goes on for so long.
RUNS_OUT = timedelta(minutes=5)
GOES_ON = timedelta(minutes=15)


@dataclass(frozen=True)
class Granted:
    """A new sign-in: `token` goes to the browser and is told once."""

    token: str
    csrf: str


def sha256(token: str) -> str:
    """The hash under which a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def grant(session: Session, agent: Agent, hours: int) -> Granted:
    """Sign this person in for so many hours, here and nowhere else. Their password was typed a moment ago."""
    granted = Granted(secrets.token_urlsafe(32), secrets.token_urlsafe(24))
    moment = now()
    elsewhere = update(SignIn).where(col(SignIn.agent_id) == agent.id, col(SignIn.ended_at).is_(None))
    session.execute(elsewhere.values(ended_at=moment))
    session.add(
        SignIn(
            token_sha256=sha256(granted.token),
            agent_id=agent.id,
            csrf=granted.csrf,
            created_at=moment,
            seen_at=moment,
            confirmed_at=moment,
            expires_at=moment + timedelta(hours=hours),
        )
    )
    session.flush()
    return granted


def confirm(session: Session, token_sha256: str) -> None:
    """Record that the signed-in person has typed the password again."""
    session.execute(update(SignIn).where(col(SignIn.token_sha256) == token_sha256).values(confirmed_at=now()))


def is_confirmed(sign_in: SignIn) -> bool:
    """Whether the password was typed a few minutes ago: a page left open must not be enough for some acts."""
    return sign_in.confirmed_at is not None and timedelta(0) <= now() - sign_in.confirmed_at < CONFIRMED_FOR


def find(session: Session, token: str) -> tuple[Agent, SignIn] | None:
    """Return the active person behind a browser's token, and the sign-in; None when it ended, ran out or never was."""
    return find_hashed(session, sha256(token)) if token else None


def find_hashed(session: Session, token_sha256: str) -> tuple[Agent, SignIn] | None:
    """The same by the token's hash."""
    return session.exec(
        select(Agent, SignIn)
        .join(SignIn, col(SignIn.agent_id) == col(Agent.id))
        .where(
            col(SignIn.token_sha256) == token_sha256,
            col(SignIn.ended_at).is_(None),
            col(SignIn.expires_at) > now(),
            col(Agent.active),
        )
    ).first()


def still_signed_in(session: Session, hashes: Iterable[str]) -> set[str]:
    """Return those of these token hashes whose sign-in goes on, in few queries however many there are."""
    wanted, found = sorted(hashes), set[str]()
    for first in range(0, len(wanted), AT_ONCE):
        found.update(
            session.exec(
                select(SignIn.token_sha256)
                .join(Agent, col(Agent.id) == col(SignIn.agent_id))
                .where(
                    col(SignIn.token_sha256).in_(wanted[first : first + AT_ONCE]),
                    col(SignIn.ended_at).is_(None),
                    col(SignIn.expires_at) > now(),
                    col(Agent.active),
                )
            )
        )
    return found


def seen(session: Session, sign_in: SignIn) -> None:
    """Keep that the browser was there, to within a few minutes."""
    moment = now()
    if moment - sign_in.seen_at > SEEN_EVERY:
        sign_in.seen_at = moment
        session.add(sign_in)


def running_out_in_a_call(session: Session, at: datetime) -> list[SignIn]:
    """The sign-ins that would run out under a call or its wrap-up."""
    in_a_call = select(AgentState.agent_id).where(col(AgentState.status).in_(WITH_A_CALL))
    query = select(SignIn).where(
        col(SignIn.ended_at).is_(None),
        col(SignIn.expires_at) > at,
        col(SignIn.expires_at) <= at + RUNS_OUT,
        col(SignIn.agent_id).in_(in_a_call),
    )
    return list(session.exec(query))


def go_on(session: Session, at: datetime) -> None:
    """Let the sign-ins that would run out under a call go on for a while."""
    for sign_in in running_out_in_a_call(session, at):
        sign_in.expires_at = at + GOES_ON
        session.add(sign_in)
    session.flush()


def end(session: Session, sign_in: SignIn) -> None:
    """Sign this browser out."""
    sign_in.ended_at = now()
    session.add(sign_in)
    session.flush()
