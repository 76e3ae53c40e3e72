"""The machine on which a figure was measured: without it a figure means nothing."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.figures import Row
from hotline.settings import Settings
from telephony.asterisk.obtain import find_asterisk

NOT_TOLD = "not told"


def describe() -> Row:
    """Describe the hardware, the versions, and the load now. No name and no address."""
    return {
        "cpu": _line("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_line("/proc/meminfo", "MemTotal").split()[0]) * 1024 / 1e9, 1),
        "kernel": platform.release(),
        "system": _line("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or NOT_TOLD,
        "load_at_start": round(os.getloadavg()[0], 2),
        "versions": {
            "python": platform.python_version(),
            "asterisk": find_asterisk(Settings()).version,
            "vosk": version("vosk"),
            "pyst2": version("pyst2"),
            "redis": _said("redis-server", "--version"),
            "chromium": _said("chromium", "--version"),
            "postgresql": _said("psql", "--version"),
            "sipp": _said("sipp", "-v"),
        },
    }


def in_words(machine: Row) -> str:
    """One line of it."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, Linux {machine['kernel']}, "
        f"governor {machine['governor']}, load {machine['load_at_start']}"
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _line(path: str, name: str, sign: str = ":") -> str:
    found = (line.partition(sign)[2].strip() for line in _read(path).splitlines() if line.startswith(name))
    return next(found, "")


def _said(*command: str) -> str:
    """The first line with a word that a program says of its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return NOT_TOLD
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), NOT_TOLD)[:60]
