"""The running processes, and work that piles up."""

from collections.abc import Iterator

from hotline.settings import Settings
from ops import registration
from ops.doctor.finding import Finding, bad, ok, warn
from ops.status import status

MANY_RESTARTS = 3
PARTS = {
    "database": "the database",
    "redis": "Redis",
    "asterisk": "Asterisk",
    "ivr": "the ivr",
    "console": "the console",
}


def check(settings: Settings) -> Iterator[Finding]:
    """Check what `freeline status` reports."""
    found = status(settings)
    log = "`docker compose logs`" if settings.apart else settings.run / "freeline.log"
    if settings.redis_url and found["redis"] != "ok":
        yield bad(
            "the Redis of FREELINE_REDIS_URL does not answer: pages poll instead", "start it, or take the setting away"
        )
    if found["ready"]:
        yield ok("Freeline runs and is ready")
    elif any(process["state"] == "running" for process in found["processes"].values()):
        down = [words for part, words in PARTS.items() if found[part] != "ok"]
        down += [f"the trunk: {found['trunk']}"] if registration.refused(found.get("trunk", "")) else []
        down += [name for name, process in found["processes"].items() if process["state"] != "running"]
        yield bad(f"Freeline runs and is not ready: {', '.join(dict.fromkeys(down))}", f"look at the end of {log}")
    else:
        yield warn(
            "Freeline does not run now",
            f"start it: {'docker compose up -d' if settings.apart else 'freeline up --no-demo'}",
        )
    for sentence in found.get("missing", []):
        yield bad(sentence, f"mend it; then look at the end of {log}")
    for name, process in found["processes"].items():
        if process.get("restarts", 0) > MANY_RESTARTS:
            yield warn(f"{name} was started again {process['restarts']} times", f"look for `process={name}` in {log}")
    recordings = found["recordings"]
    if found["ready"] and recordings["spool"]:
        yield warn(f"{recordings['spool']} files wait in the spool", f"look for `process=transcriber` in {log}")
    if recordings["failed"]:
        yield warn(f"{recordings['failed']} messages could not be transcribed", "listen to them: their cases say so")
    if failed := found["jobs"]["failed"]:
        yield warn(f"{failed} background jobs failed within a day", f"look for `process=jobs` in {log}")
