"""Staff: adding them, their languages, passwords and phones."""

import hashlib
import re
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlmodel import Session, col, select

from hotline import scope
from hotline.audit import note_act
from hotline.cases import timeline
from hotline.errors import Invalid, NotFound, Refused
from hotline.staff import known_browsers
from hotline.staff.states import set_status, state_of
from models import Agent, AgentLanguage, AgentStatus, Case, CaseStatus, EventKind, Proficiency, Role, SignIn
from models.db.types import now

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
    wrong = {} if name else {"name": "Give a name."}
    if not _LOGIN.fullmatch(login):
        wrong["login"] = "A sign-in name is 2 to 64 letters, digits, dots or dashes."
    elif session.exec(select(Agent).where(col(Agent.login) == login)).first():
        wrong["login"] = "This sign-in name is taken."
    if wrong:
        raise Invalid(**wrong)
    agent = Agent(login=login, name=name[:120], role=role, must_change_password=must_change_password)
    agent.password_hash = hash_password(password)
    session.add(agent)
    session.flush()
    set_languages(session, agent, languages or {})
    state_of(session, agent.id)
    note_act(session, "person_added", f"agent:{agent.id}", by_id=by_id, role=role)
    return agent


def set_languages(session: Session, agent: Agent, languages: dict[str, Proficiency]) -> None:
    """Set exactly what an agent speaks."""
    for row in session.exec(select(AgentLanguage).where(col(AgentLanguage.agent_id) == agent.id)):
        if row.language not in languages:
            session.delete(row)
    for code, proficiency in languages.items():
        row = session.get(AgentLanguage, (agent.id, code)) or AgentLanguage(
            agent_id=agent.id, language=code, proficiency=proficiency
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
    """Give a new password. Nothing of the old one goes on: `keep_password`."""
    keep_password(session, agent, hash_password(password), by_id=by_id, must_change=must_change)


def keep_password(session: Session, agent: Agent, hashed: str, *, by_id: int | None, must_change: bool) -> None:
    """Keep a password that is hashed already, since hashing must not hold the one writer.

    Every sign-in of that person ends, the secret of their desk phone too, and no browser is known any more.
    """
    agent.password_hash, agent.must_change_password, agent.phone_secret_ha1 = hashed, must_change, None
    session.add(agent)
    end_sign_ins(session, agent)
    note_act(session, "password_set", f"agent:{agent.id}", by_id=by_id)


def end_sign_ins(session: Session, agent: Agent) -> None:
    """Sign a person out everywhere, and let every browser be a stranger to them."""
    known_browsers.forget(session, agent.id)
    open_rows = select(SignIn).where(col(SignIn.agent_id) == agent.id, col(SignIn.ended_at).is_(None))
    for row in session.exec(open_rows):
        row.ended_at = now()
        session.add(row)
    session.flush()


def check_password(session: Session, login: str, password: str) -> Agent | None:
    """The active person with this login and password, else None. Takes as long for an unknown login."""
    agent_id, stored = stored_password(session, login)
    return session.get(Agent, agent_id) if fits(stored, password) and agent_id is not None else None


def stored_password(session: Session, login: str) -> tuple[int | None, str]:
    """The active person of this login and the hash to hold a password against; None and one that fits nothing."""
    agent = session.exec(select(Agent).where(col(Agent.login) == login.strip().lower(), col(Agent.active))).first()
    return (agent.id, agent.password_hash) if agent and agent.password_hash else (None, _nobody)


def fits(stored: str, password: str) -> bool:
    """Whether a password fits its hash; slow on purpose, and the same work for any."""
    try:
        return _hasher.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


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


def load(session: Session, agent_id: int) -> Agent:
    """The member of staff. Raises `NotFound`."""
    agent = session.get(Agent, agent_id)
    if agent is None:
        raise NotFound("There is no such person.")
    return agent


def everybody(session: Session) -> list[tuple[Agent, list[AgentLanguage]]]:
    """All staff with what they speak: the active first, by name."""
    spoken: dict[int, list[AgentLanguage]] = {}
    for row in session.exec(select(AgentLanguage).order_by(col(AgentLanguage.language))):
        spoken.setdefault(row.agent_id, []).append(row)
    agents = session.exec(select(Agent).order_by(col(Agent.active).desc(), col(Agent.name), col(Agent.id)))
    return [(agent, spoken.get(agent.id, [])) for agent in agents]


def change_agent(
    session: Session,
    agent_id: int,
    name: str,
    role: Role,
    languages: dict[str, Proficiency],
    *,
    by_id: int | None,
) -> Agent:
    """Change a person's name, role and languages. The last administrator stays one (`Refused`)."""
    agent, name = load(session, agent_id), " ".join(name.split())
    if not name:
        raise Invalid(name="Give a name.")
    if len(name) > 120:
        raise Invalid(name="Keep the name under 120 characters.")
    set_role(session, agent, role, by_id=by_id)
    agent.name = name
    session.add(agent)
    set_languages(session, agent, languages)
    note_act(session, "person_changed", f"agent:{agent_id}", by_id=by_id, languages=sorted(languages))
    return agent


def set_role(session: Session, agent: Agent, role: Role, *, by_id: int | None) -> None:
    """Give a person a role. A higher one takes a second person first: hotline.staff.access_requests.

    Raises `Refused` for the last administrator.
    """
    if role is not Role.ADMINISTRATOR:
        keep_an_administrator(session, agent)
    if agent.role is not role:
        note_act(session, "role_changed", f"agent:{agent.id}", by_id=by_id, before=agent.role, role=role)
    agent.role = role
    session.add(agent)
    session.flush()


def deactivate(session: Session, agent_id: int, *, by_id: int | None) -> Agent:
    """End a person's access: signed out, phone refused, open cases back to the unclaimed ones. Nothing is deleted."""
    agent = load(session, agent_id)
    keep_an_administrator(session, agent)
    agent.active, agent.phone_secret_ha1 = False, None
    session.add(agent)
    end_sign_ins(session, agent)
    set_status(session, agent_id, AgentStatus.OFFLINE)
    # Whoever deactivates need not see cases: an administrator sees none, and all of them must be free again.
    mine = scope.cases(scope.SYSTEM, select(Case).where(col(Case.owner_id) == agent_id))
    mine = mine.where(col(Case.status) != CaseStatus.CLOSED)
    for case in session.exec(mine).all():
        case.owner_id, case.claimed_at, case.version = None, None, case.version + 1
        session.add(case)
        timeline.tell(session, case, EventKind.RELEASED, now(), session.get(Agent, by_id) if by_id else None)
    note_act(session, "person_deactivated", f"agent:{agent_id}", by_id=by_id)
    return agent


def activate(session: Session, agent_id: int, *, by_id: int | None) -> Agent:
    """Let a person in again, with the old password; they need a new phone secret."""
    agent = load(session, agent_id)
    agent.active = True
    session.add(agent)
    session.flush()
    note_act(session, "person_activated", f"agent:{agent_id}", by_id=by_id)
    return agent


def reset_password(session: Session, agent_id: int, *, by_id: int | None) -> str:
    """Make a new password for one sign-in, told once: its owner must choose another with it."""
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    set_password(session, load(session, agent_id), password, by_id=by_id, must_change=True)
    return password


def keep_an_administrator(session: Session, agent: Agent) -> None:
    """Raise `Refused` when nobody else could manage people after this one."""
    if agent.role is not Role.ADMINISTRATOR or not agent.active:
        return
    others = select(Agent.id).where(col(Agent.role) == Role.ADMINISTRATOR, col(Agent.active), col(Agent.id) != agent.id)
    if session.exec(others).first() is None:
        raise Refused("This is the last administrator. Make somebody else administrator first.")
