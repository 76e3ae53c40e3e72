"""Signing in and out. The browser holds a random token; the table only its hash, so it can be revoked and not stolen.

The password is checked between two short transactions: hashing takes a while on purpose, and must not hold the one writer.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlmodel import Session, col, func, select

from hotline.agents import WITH_A_CALL
from hotline.errors import Refused
from models import Agent, AgentState, SignIn, SignInAttempt
from models.locks import SIGNING_IN, alone
from models.types import now

WINDOW = timedelta(minutes=15)
TRIES = 5  # at one name from one address: a stranger elsewhere must not lock anybody out
TRIES_ADDRESS = 30  # an office shares one address
# At one name from anywhere. One address alone cannot use these up: it is stopped by TRIES, four times an hour.
LONG_WINDOW = timedelta(hours=1)
TRIES_LOGIN = 50
AT_ONCE = 500
SEEN_EVERY = timedelta(minutes=5)
# A call and its wrap-up are never cut off by the clock: a sign-in that would run out soon goes on for so long.
RUNS_OUT = timedelta(minutes=5)
GOES_ON = timedelta(minutes=15)


@dataclass(frozen=True)
class Granted:
    """A new sign-in: `token` goes to the browser and is told once."""

    token: str
    csrf: str


class TooMany(Refused):
    """Too many failed sign-ins; `wait_s` is how many seconds to wait."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("Too many failed sign-ins. Wait a little and try again.")
        self.wait_s = wait_s


def sha256(token: str) -> str:
    """The hash under which a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def begin(session: Session, login: str, address: str, index_key: bytes, at: datetime | None = None) -> None:
    """Count this attempt before the password is looked at, so that many at once cannot slip through. Raises `TooMany`."""
    moment = at or now()
    alone(session, SIGNING_IN)  # else attempts of the same moment would not count each other
    session.execute(delete(SignInAttempt).where(col(SignInAttempt.at) < moment - LONG_WINDOW))
    limits = (
        (_pair(login, address, index_key), TRIES, WINDOW),
        (_address(address, index_key), TRIES_ADDRESS, WINDOW),
        (_login(login, index_key), TRIES_LOGIN, LONG_WINDOW),
    )
    for who, allowed, window in limits:
        tried = list(
            session.exec(
                select(SignInAttempt.at)
                .where(col(SignInAttempt.who) == who, col(SignInAttempt.at) >= moment - window)
                .order_by(col(SignInAttempt.at))
            )
        )
        if len(tried) >= allowed:
            raise TooMany(max(1, round((tried[-allowed] + window - moment).total_seconds())))
    session.add_all(SignInAttempt(who=who, at=moment) for who, _allowed, _window in limits)
    session.flush()


def grant(session: Session, agent: Agent, login: str, address: str, index_key: bytes, hours: int) -> Granted:
    """Sign this person in for so many hours, here and nowhere else, and forget her failed attempts from this address.

    Of the address, and of her name elsewhere, only this attempt is forgotten: else one good sign-in would hide the
    guesses of others.
    """
    session.execute(delete(SignInAttempt).where(col(SignInAttempt.who) == _pair(login, address, index_key)))
    for who in (_address(address, index_key), _login(login, index_key)):
        mine = select(func.max(SignInAttempt.id)).where(col(SignInAttempt.who) == who)
        session.execute(delete(SignInAttempt).where(col(SignInAttempt.id) == mine.scalar_subquery()))
    granted = Granted(secrets.token_urlsafe(32), secrets.token_urlsafe(24))
    moment = now()
    elsewhere = update(SignIn).where(col(SignIn.agent_id) == agent.id, col(SignIn.ended_at).is_(None))
    session.execute(elsewhere.values(ended_at=moment))
    session.add(
        SignIn(
            token_sha256=sha256(granted.token),
            agent_id=agent.id or 0,
            csrf=granted.csrf,
            created_at=moment,
            seen_at=moment,
            expires_at=moment + timedelta(hours=hours),
        )
    )
    session.flush()
    return granted


def find(session: Session, token: str) -> tuple[Agent, SignIn] | None:
    """The active person behind a browser's token, and her sign-in; None when it ended, ran out or never was."""
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
    """Those of these token hashes whose sign-in goes on, in few queries however many there are."""
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


def _login(login: str, index_key: bytes) -> str:
    return _hidden(f"login:{login.strip().lower()}", index_key)


def _pair(login: str, address: str, index_key: bytes) -> str:
    return _hidden(f"login:{login.strip().lower()} address:{address}", index_key)


def _address(address: str, index_key: bytes) -> str:
    return _hidden(f"address:{address}", index_key)


def _hidden(text: str, index_key: bytes) -> str:
    return hmac.new(index_key, text.encode(), hashlib.sha256).hexdigest()
