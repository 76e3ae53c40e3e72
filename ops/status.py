"""The report of `freeline status`: counts and states, nothing personal."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, func, select

from hotline import disk, scope
from hotline.heartbeat import UP, ask_supervisor
from hotline.keys import IDENTITY, INDEX, PUBLIC
from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Agent, AgentState, Case, CaseStatus, Contact, Database, Job, JobState, Recording, RecordingState
from models.db.types import now
from ops import registration
from ops.supervision import processes as names
from ops.supervision.health import console_answers, healthy
from ops.supervision.probe import ivr_answers
from ops.supervision.supervisor import kept_file
from telephony.asterisk.process import ready as asterisk_ready

# How long a failed job is reported.
FAILED_OF_LATE = timedelta(days=1)
PARTS = ("database", "redis", "asterisk", "ivr", "console")


def status(settings: Settings, *, carrier: bool = True) -> dict[str, Any]:
    """The state of everything. `ready` is true only when a call would be served in full; `missing` says why not.

    While the carrier refuses our registration no call arrives, so it is not ready; `carrier` False leaves that out, for
    code that only asks whether our own parts have started.
    """
    told = ask_supervisor(settings, UP) or {}
    found: dict[str, Any] = {"ready": False, "processes": processes(settings, told)}
    missing = [*disk.troubles(settings), *keys_missing(settings), *told.get("missing", [])]
    found["missing"] = list(dict.fromkeys(missing))
    found |= counts(settings)
    found["redis"] = "ok" if Nudges(settings.redis).there() else "down"
    found["asterisk"] = "ok" if asterisk_ready(settings) else "down"
    found["ivr"] = "ok" if ivr_answers(settings) else "down"
    found["console"] = "ok" if console_answers(settings) else "down"
    found["trunk"] = registration.word(settings) if carrier else registration.NONE
    found["ready"] = (
        all(found[part] == "ok" for part in PARTS)
        and all(process["state"] == "running" for process in found["processes"].values())
        and not found["missing"]
        and not registration.refused(found["trunk"])
    )
    return found


def keys_missing(settings: Settings) -> list[str]:
    """The keys that exist and cannot be read, a sentence each."""
    unread = (name for name in (PUBLIC, INDEX, IDENTITY) if not _readable(settings.keys / name))
    return [f"{settings.keys / name} cannot be read" for name in unread]


def _readable(path: Path) -> bool:
    try:
        return not path.exists() or bool(path.read_bytes())
    except OSError:
        return False


def processes(settings: Settings, told: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Each process's state and since when, as the supervisor sends it or wrote it; `down` without a supervisor.

    In containers each has a supervisor of its own, whose process ids mean nothing to the others.
    """
    which = [n for n in names.PROCESSES if not (n == names.REDIS and settings.redis_url)]
    if told and told.get("processes"):
        return dict(told["processes"])
    try:
        state = json.loads((settings.run / "processes.json").read_text())
        if not _alive(state["supervisor"]):
            raise ValueError("the supervisor is gone")
        kept = state["processes"]
    except (OSError, ValueError, KeyError):
        return {name: _apart(settings, name) for name in which}
    return {
        name: {
            "state": row["state"] if row["pid"] is None or _alive(row["pid"]) else "down",
            "since": row["since"],
            "pid": row["pid"],
            "restarts": row["restarts"],
        }
        for name, row in kept.items()
    }


def _apart(settings: Settings, name: str) -> dict[str, Any]:
    try:
        row = json.loads(kept_file(settings, name).read_text())["processes"][name]
    except (OSError, ValueError, KeyError):
        return {"state": "down", "since": None}
    state = "running" if healthy(settings, name) else "down"
    return {"state": state, "since": row["since"], "restarts": row["restarts"]}


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def counts(settings: Settings) -> dict[str, Any]:
    """Counts of calls, cases, recordings and agents; empty counts and `database: down` when it does not answer."""
    db = Database(settings.database, busy_s=2.0)
    try:
        with db.read() as session:
            return _counts(session) | {"database": "ok"} | _spool(settings, session)
    except SQLAlchemyError:
        return {
            "calls": {"now": 0, "total": 0},
            "cases": {"total": 0, "unclaimed": 0},
            "recordings": {"total": 0, "spool": len(spool_files(settings)), "untranscribed": 0, "failed": 0},
            "jobs": {"waiting": 0, "running": 0, "failed": 0},
            "agents": {},
            "database": "down",
        }
    finally:
        db.dispose()


def _counts(session: Session) -> dict[str, Any]:
    def count(model: Any, *where: Any) -> int:
        return session.exec(select(func.count()).select_from(model).where(*where)).one()

    cases = scope.cases(scope.SYSTEM, select(func.count()).select_from(Case))
    unclaimed = cases.where(col(Case.owner_id).is_(None), col(Case.status) != CaseStatus.CLOSED)
    states = session.exec(
        select(AgentState.status, func.count())
        .join(Agent, col(Agent.id) == col(AgentState.agent_id))
        .where(col(Agent.active))
        .group_by(col(AgentState.status))
    )
    return {
        "calls": {"now": count(Contact, col(Contact.ended_at).is_(None)), "total": count(Contact)},
        "cases": {"total": session.exec(cases).one(), "unclaimed": session.exec(unclaimed).one()},
        "jobs": {
            "waiting": count(Job, col(Job.state) == JobState.WAITING),
            "running": count(Job, col(Job.state) == JobState.RUNNING),
            "failed": count(Job, col(Job.state) == JobState.FAILED, col(Job.ended_at) > now() - FAILED_OF_LATE),
        },
        "agents": {str(status): number for status, number in states},
        "at": now().isoformat(timespec="seconds"),
    }


def _spool(settings: Settings, session: Session) -> dict[str, Any]:
    by_state = dict(session.exec(select(Recording.state, func.count()).group_by(col(Recording.state))).all())
    return {
        "recordings": {
            "total": sum(by_state.values()),
            "spool": len(spool_files(settings)),
            "untranscribed": by_state.get(RecordingState.WAITING, 0) + by_state.get(RecordingState.TRANSCRIBING, 0),
            "needs_listener": by_state.get(RecordingState.NEEDS_LISTENER, 0),
            "failed": by_state.get(RecordingState.FAILED, 0),
        }
    }


def spool_files(settings: Settings) -> list[str]:
    """The names of the files that wait in the spool."""
    try:
        return [p.name for p in settings.spool.iterdir() if p.suffix in {".sln", ".call"}]
    except OSError:
        return []
