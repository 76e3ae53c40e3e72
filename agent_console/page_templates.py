"""The console's templates: those of the room, with what they can say about cases, roles and safe hours."""

from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment

from agent_console.labels.cases import outcome_word, status_word
from agent_console.labels.hours import is_safe, is_time, safe_hours
from agent_console.labels.staff import role_word
from models.db.types import now
from web import templating

ROOM = Path(__file__).parent
STATIC = ROOM / "static"


@cache
def make_templates(zone: ZoneInfo) -> Environment:
    """Return the console's templates for an organisation in this zone.

    Every console of a process shares them: they hold nothing of it.
    """
    return templating.make_templates(
        ROOM,
        zone,
        {
            "role": role_word,
            "outcome": outcome_word,
            "status": status_word,
            "safe_hours": lambda said: safe_hours(said, zone),
            "is_safe": lambda said: is_safe(said, now()),
            "is_time": lambda said: is_time(said, now(), zone),
        },
    )
