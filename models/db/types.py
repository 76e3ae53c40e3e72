"""Column types shared by all tables."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Dialect
from sqlalchemy import Enum as SaEnum
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC. SQLite drops time zones, so they are put back on the way out.

    A moment without a zone is refused with ValueError: it would be wrong by hours without a sign of it.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To the database: UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone; use datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database: aware again."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


def stored(kind: type[StrEnum]) -> SaEnum:
    """A column that keeps the value as plain text, so that adding one needs no migration on either database."""
    return SaEnum(kind, native_enum=False, length=32, values_callable=lambda e: [m.value for m in e])
