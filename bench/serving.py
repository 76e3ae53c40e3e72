"""Servers for the benchmarks of the console, as processes of their own: the console, Redis, and the least web server."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from sqlmodel import col, select

from hotline.keys import make_keys
from hotline.nudges import Nudges
from hotline.settings import ROOT, Settings
from hotline.staff import sign_ins
from models import Agent, Database
from tests.support.ports import free_port
from tests.support.wait import until

CONSOLE = (
    "import sys; from agent_console.app import main; from hotline.settings import settings; sys.exit(main(settings()))"
)
# The speed of aiohttp alone, on this machine at this moment, with a page of the size of an empty one of ours.
LEAST = """
import sys
from aiohttp import web
async def page(_request):
    return web.Response(body=b"x" * 20000, content_type="text/html")
app = web.Application()
app.router.add_get("/{anything:.*}", page)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


@dataclass
class Server:
    """A process that answers on a port."""

    port: int
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it, and wait until it is gone."""
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_redis(settings: Settings) -> Server:
    """A Redis of our own on the settings' socket; it keeps nothing."""
    settings.run.mkdir(parents=True, exist_ok=True)
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is missing: run ops/setup.sh test")
    options = ["--port", "0", "--unixsocket", str(settings.run / "redis.sock"), "--save", "", "--maxclients", "12000"]
    server = Server(0, subprocess.Popen([program, *options], stdout=subprocess.DEVNULL))
    until(lambda: Nudges(settings.redis).there())
    return server


def start_console(data: Path, *, database_url: str = "", redis_url: str = "", timezone: str = "Asia/Bangkok") -> Server:
    """The real console with this data folder; its keys are made when there are none."""
    settings = Settings(data=data)
    if not settings.keys.exists():
        make_keys(settings.keys)
    port = free_port()
    environment = os.environ | {
        "FREELINE_DATA": str(data),
        "FREELINE_DATABASE_URL": database_url,
        "FREELINE_REDIS_URL": redis_url,
        "FREELINE_CONSOLE_PORT": str(port),
        "FREELINE_TIMEZONE": timezone,
        # One agent opens thousands of cases here: the brake on unusual amounts must not enter the figures.
        "FREELINE_CASES_AN_HOUR": "1000000",
    }
    return _answering(Server(port, subprocess.Popen([sys.executable, "-c", CONSOLE], cwd=ROOT, env=environment)))


def start_least() -> Server:
    """The least web server."""
    port = free_port()
    return _answering(Server(port, subprocess.Popen([sys.executable, "-c", LEAST, str(port)])))


def start_naive_feed(settings: Settings) -> Server:
    """The live feed as it is often written; see bench/naive_feed.py."""
    port = free_port()
    command = [sys.executable, "-m", "bench.naive_feed", str(port), settings.redis]
    return _answering(Server(port, subprocess.Popen(command, cwd=ROOT)))


def _answering(server: Server) -> Server:
    def answers() -> bool:
        if server.process.poll() is not None:
            raise RuntimeError("a server of the benchmark ended at its start")
        with suppress(OSError), urlopen(f"http://127.0.0.1:{server.port}/alive", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    try:
        until(answers, 30)
    except BaseException:
        server.stop()
        raise
    return server


def sign_in(database: Database, people: int = 1) -> list[str]:
    """Cookies of so many members of staff, who are signed in."""
    with database.write() as session:
        staff = session.exec(select(Agent).order_by(col(Agent.id)).limit(people)).all()
        return [sign_ins.grant(session, agent, 12).token for agent in staff]


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has had so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
