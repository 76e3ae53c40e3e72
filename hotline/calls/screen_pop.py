"""The card that an agent is shown while their phone rings: who calls, as far as is known, and what not to say or do."""

from dataclasses import dataclass, field

from sqlmodel import Session, col, select

from hotline import scope
from hotline.callers import callers
from hotline.calls import conversations
from hotline.calls import facts as calls
from hotline.errors import NotFound
from hotline.staff import states as agents
from models import Agent, AgentStatus, CallbackSafety, Case, CaseStatus, Contact, Line, PartyKind, Place, Safety

OTHERS = 3


@dataclass(frozen=True)
class Known:
    """An open case of the telephone that calls, and what was asked about safety in it."""

    case: Case
    safety: Safety

    @property
    def careful(self) -> bool:
        """Whether anything is known that changes how one answers."""
        s = self.safety
        return bool(
            s.in_danger
            or s.can_talk is False
            or s.near
            or s.phone_owner in {"shared", "employer"}
            or s.cover_phrase
            or s.callback in {CallbackSafety.UNSAFE, CallbackSafety.NEVER}
        )


@dataclass(frozen=True)
class Pop:
    """A call that rings. `kind` is why: queue, transfer, consult or emergency; `asker` is who sends or asks, when one does.

    `called_before` counts the earlier calls of this telephone. `open` are its open cases, that of the call itself first.
    """

    contact: Contact
    line: str | None
    kind: str
    asker: str | None
    called_before: int
    open: list[Known] = field(default_factory=list)
    more: int = 0


KINDS = {"queue", "transfer", "consult", "emergency"}


def read(session: Session, call: str, by: Agent, kind: str = "queue") -> Pop | None:
    """Return what rings on this agent's phone; None when that is over.

    `kind` is what the phone said; unknown words are a queue.

    Raises `NotFound` for a call that never was.
    """
    contact = calls.find(session, call)
    if contact is None:
        raise NotFound("There is no such call.")
    talk = conversations.of_call(session, call)
    asked = next((p for p in talk.parties if p.agent_id == by.id), None) if talk is not None else None
    if asked is not None:
        kind = "emergency" if asked.kind is PartyKind.SUPERVISOR else "consult"
    kind = kind if kind in KINDS else "queue"
    over = contact.ended_at is not None or (asked is not None and asked.place is not Place.RINGING)
    if over or (
        talk is not None and (talk.talk.agent_id == by.id or (kind == "queue" and not _rings(session, call, by)))
    ):
        return None
    asker = session.get(Agent, talk.talk.agent_id) if talk is not None and kind != "queue" else None
    known = _open(session, by, contact)
    line = session.get(Line, contact.line) if contact.line else None
    return Pop(
        contact=contact,
        line=line.name if line is not None else None,
        kind=kind,
        asker=asker.name if asker is not None else None,
        called_before=callers.times_called(session, contact.caller_id, contact.arrived_at),
        open=known[:OTHERS],
        more=max(0, len(known) - OTHERS),
    )


def warnings(session: Session, contact: Contact, by: Agent) -> list[Known]:
    """Return what to be careful about in a conversation: what other open cases of its telephone know."""
    return [k for k in _open(session, by, contact) if k.case.id != contact.case_id and k.careful][:OTHERS]


def _rings(session: Session, call: str, by: Agent) -> bool:
    state = agents.state_of(session, by.id)
    return state.status is AgentStatus.RINGING and state.call == call


def _open(session: Session, by: Agent, contact: Contact) -> list[Known]:
    """The call's own case, then the open ones of the telephone, those in danger first, then in the caller's language."""
    wanted = col(Case.id) == contact.case_id
    if contact.caller_id is not None:
        wanted |= (col(Case.caller_id) == contact.caller_id) & (col(Case.status) != CaseStatus.CLOSED)
    found = [
        Known(case, safety or Safety(case_id=case.id))
        for case, safety in session.exec(
            scope.cases(by, select(Case, Safety).join(Safety, col(Safety.case_id) == col(Case.id), isouter=True))
            .where(wanted)
            .order_by(col(Case.opened_at).desc())
        )
    ]
    own, language = contact.case_id, contact.language
    return sorted(found, key=lambda k: (k.case.id != own, not k.safety.in_danger, k.case.language != language))


def before(session: Session, contact: Contact, by: Agent, most: int = 5) -> list[Case]:
    """Return what came before a call: the other cases of its telephone, open ones first, then the newest."""
    if contact.caller_id is None:
        return []
    query = scope.cases(by, select(Case).where(col(Case.caller_id) == contact.caller_id))
    newest_first = session.exec(query.order_by(col(Case.opened_at).desc()))
    found = [case for case in newest_first if case.id != contact.case_id]
    return sorted(found, key=lambda case: case.status is CaseStatus.CLOSED)[:most]
