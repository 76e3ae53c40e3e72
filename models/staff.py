"""The people of the hotline: who they are, what they speak and what they do now."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "Agent",
    "AgentLanguage",
    "AgentState",
    "AgentStateChange",
    "AgentStatus",
    "Proficiency",
    "Role",
]


class Role(StrEnum):
    """What a member of staff may do; see hotline.permissions."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


class Proficiency(StrEnum):
    """How well an agent speaks a language. Basic speakers are rung as backup only."""

    NATIVE = "native"
    FLUENT = "fluent"
    BASIC = "basic"


class AgentStatus(StrEnum):
    """What an agent is doing now."""

    OFFLINE = "offline"
    READY = "ready"
    NOT_READY = "not_ready"
    RINGING = "ringing"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"
    BREAK = "break"


class Agent(SQLModel, table=True):
    """A member of staff who signs in. `phone_secret_ha1` is the SIP digest of a softphone's secret, never the secret.

    `mobile_sealed` is the number on which an agent is rung at home, sealed like a caller's.
    """

    __tablename__ = "agent"
    id: int = Field(default=None, primary_key=True)
    login: str = Field(max_length=64, unique=True)
    name: str = Field(max_length=120)
    role: Role = Field(sa_type=stored(Role))
    password_hash: str | None = Field(default=None, max_length=255)
    must_change_password: bool = False
    screen_language: str = Field(default="en", max_length=16)
    active: bool = True
    phone_secret_ha1: str | None = Field(default=None, max_length=64)
    mobile_sealed: bytes | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)

    @property
    def sip_name(self) -> str:
        """The name of this agent's phone in Asterisk: it says nothing about the person."""
        return f"agent{self.id}"


class AgentLanguage(SQLModel, table=True):
    """An agent speaks a language, so well."""

    __tablename__ = "speaks"
    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    language: str = Field(max_length=16, primary_key=True, index=True)
    proficiency: Proficiency = Field(sa_type=stored(Proficiency))


class AgentState(SQLModel, table=True):
    """What an agent does now, one row each. Rung means `ready` *and* `reachable`, whatever the roster says.

    `reachable` is written by the switchboard only: the agent's phone is registered. `call` is the call that rings them, that
    they are on or that they wrap up. `until` is when a wrap-up ends by itself, or when a break has lasted as long as it may.
    `page` names the browser page that has their phone; None while they have none, or a phone of another kind.
    """

    __tablename__ = "agent_state"
    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    status: AgentStatus = Field(default=AgentStatus.OFFLINE, sa_type=stored(AgentStatus))
    reason: str | None = Field(default=None, max_length=64)
    reachable: bool = False
    call: str | None = Field(default=None, max_length=64)
    page: str | None = Field(default=None, max_length=64)
    until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    since: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class AgentStateChange(SQLModel, table=True):
    """One change of an agent's status; append-only."""

    __tablename__ = "agent_state_change"
    id: int = Field(default=None, primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    at: datetime = Field(sa_type=UtcDateTime)
    status: AgentStatus = Field(sa_type=stored(AgentStatus))
    reason: str | None = Field(default=None, max_length=64)
