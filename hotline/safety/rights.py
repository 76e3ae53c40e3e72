"""The right to change what is known about a worker's safety: a colleague's case is not everybody's to write in."""

from sqlmodel import Session, col, or_, select

from hotline.errors import Refused
from hotline.permissions import Permission, may
from models import Agent, AgentState, AgentStatus, Case, Contact

# Who wraps a call up still writes down what the caller said in it.
ON_THE_LINE = (AgentStatus.ON_CALL, AgentStatus.WRAP_UP)


def held_by_another(session: Session, case: Case, by: Agent) -> Agent | None:
    """The colleague who has this case and alone may review its safety; None when this person may.

    The holder may, a supervisor, and whoever is on the line with this caller (or wraps that call up). A case that nobody
    has is everybody's who works cases.
    """
    if case.owner_id in {None, by.id} or may(by, Permission.HAND_OVER_ANY) or on_the_line(session, case, by):
        return None
    return session.get(Agent, case.owner_id)


def need_to_review(session: Session, case: Case, by: Agent) -> None:
    """Raise `Refused`, with who can, when the safety of this case is not this person's to change."""
    holder = held_by_another(session, case, by)
    if holder is not None:
        raise Refused(
            f"{holder.name} has this case. Only {holder.name}, a supervisor, or whoever is on the line with the caller "
            "changes what is safe. Tell one of them."
        )


def on_the_line(session: Session, case: Case, by: Agent) -> bool:
    """Whether this person is in a call of this case or of its telephone now, or wraps it up."""
    of_this_caller = col(Contact.case_id) == case.id
    if case.caller_id is not None:
        of_this_caller = or_(of_this_caller, col(Contact.caller_id) == case.caller_id)
    call = (
        select(Contact.id)
        .join(AgentState, col(AgentState.call) == col(Contact.call))
        .where(col(AgentState.agent_id) == by.id, col(AgentState.status).in_(ON_THE_LINE), of_this_caller)
    )
    return session.exec(call.limit(1)).first() is not None
