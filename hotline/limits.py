"""Stand-in until written: telephones that go to the message only."""

from datetime import datetime

from sqlmodel import Session


def is_limited(session: Session, caller_id: int | None, at: datetime) -> bool:  # noqa: ARG001
    """Whether this telephone goes to the message only."""
    return False
