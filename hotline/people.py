"""Staff: adding them, their languages, passwords and phones."""

import hashlib
import re
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlmodel import Session, col, select

from hotline.agents import state_of
from hotline.audit import note_act
from hotline.errors import Invalid, NotFound
from models import Agent, Proficiency, Role, SignIn, Speaks
from models.types import now

SIP_REALM = "freeline"
PASSWORD_MIN = 10
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_hasher = PasswordHasher()
# Checked when there is no such login, so that an unknown name takes as long as a wrong password.
_nobody = _hasher.hash(secrets.token_hex(16))


def add_agent(
    session: Session,
    login: str,
    name: str,
    role: Role,
    password: str,
    languages: dict[str, Proficiency] | None = None,
    *,
    by_id: int | None = None,
    must_change_password: bool = False,
) -> Agent:
    """Add a member of staff. Raises `Invalid` with what to mend."""
    login, name = login.strip().lower(), " ".join(name.split())
    if not _LOGIN.fullmatch(login):
        raise Invalid(login="A sign-in name is 2 to 64 letters, digits, dots or dashes.")
    if not name:
        raise Invalid(name="Give a name.")
    if session.exec(select(Agent).where(col(Agent.login) == login)).first():
        raise Invalid(login="This sign-in name is taken.")
    agent = Agent(login=login, name=name[:120], role=role, must_change_password=must_change_password)
    agent.password_hash = hash_password(password)
    session.add(agent)
    session.flush()
    set_languages(session, agent, languages or {})
    state_of(session, agent.id or 0)
    note_act(session, "person_added", f"agent:{agent.id}", by_id=by_id, role=role)
    return agent


def set_languages(session: Session, agent: Agent, languages: dict[str, Proficiency]) -> None:
    """Set exactly what an agent speaks."""
    for row in session.exec(select(Speaks).where(col(Speaks.agent_id) == agent.id)):
        if row.language not in languages:
            session.delete(row)
    for code, proficiency in languages.items():
        row = session.get(Speaks, (agent.id, code)) or Speaks(
            agent_id=agent.id or 0, language=code, proficiency=proficiency
        )
        row.proficiency = proficiency
        session.add(row)
    session.flush()


def hash_password(password: str) -> str:
    """Hash with argon2id. Raises `Invalid` for a password that is too short."""
    if len(password) < PASSWORD_MIN:
        raise Invalid(password=f"A password has at least {PASSWORD_MIN} characters. Several words are easy to keep.")
    return _hasher.hash(password)


def set_password(session: Session, agent: Agent, password: str, *, by_id: int | None, must_change: bool) -> None:
    """Give a new password and end every sign-in of that person."""
    agent.password_hash, agent.must_change_password = hash_password(password), must_change
    session.add(agent)
    end_sign_ins(session, agent)
    note_act(session, "password_set", f"agent:{agent.id}", by_id=by_id)


def end_sign_ins(session: Session, agent: Agent) -> None:
    """Sign a person out everywhere."""
    open_rows = select(SignIn).where(col(SignIn.agent_id) == agent.id, col(SignIn.ended_at).is_(None))
    for row in session.exec(open_rows):
        row.ended_at = now()
        session.add(row)
    session.flush()


def check_password(session: Session, login: str, password: str) -> Agent | None:
    """The active person with this login and password, else None. Takes as long for an unknown login."""
    agent = session.exec(select(Agent).where(col(Agent.login) == login.strip().lower(), col(Agent.active))).first()
    stored = agent.password_hash if agent and agent.password_hash else _nobody
    try:
        _hasher.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return None
    return agent


def new_phone_secret(session: Session, agent_id: int, *, by_id: int | None) -> str:
    """A new secret for an agent's softphone, told once. Only its digest is kept: MD5 of user:realm:secret (RFC 2617)."""
    agent = session.get(Agent, agent_id)
    if agent is None:
        raise NotFound("There is no such person.")
    secret = secrets.token_urlsafe(15)
    agent.phone_secret_ha1 = hashlib.md5(f"{agent.sip_name}:{SIP_REALM}:{secret}".encode()).hexdigest()  # noqa: S324
    session.add(agent)
    note_act(session, "phone_secret_made", f"agent:{agent_id}", by_id=by_id)
    return secret
