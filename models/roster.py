"""Who is expected when."""

from datetime import date, time

from sqlmodel import Field, SQLModel, UniqueConstraint

__all__ = [
    "Shift",
]


class Shift(SQLModel, table=True):
    """When an agent is expected: each week on `weekday` (0 is Monday) or once on `on_date`, in the line's own time zone.

    `ends` at or before `starts` means the next day, so 22:00-06:00 crosses midnight and 00:00-00:00 is a whole day.
    """

    __tablename__ = "shift"
    __table_args__ = (UniqueConstraint("agent_id", "weekday", "on_date", "starts"),)
    id: int = Field(default=None, primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    weekday: int | None = None
    on_date: date | None = None
    starts: time
    ends: time
    at_home: bool = False
