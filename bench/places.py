"""Where calls are held for the benchmark, and the two sides that hold them: all of Freeline, and Asterisk alone.

Both play the same files. The callers press nothing, so each place has the settings that lead them there: a menu that begins
again and again, or one whose prompts are a tenth of a second long, after which somebody is there for them, or nobody.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import bare
from hotline.settings import Settings
from hotline.staff import people
from hotline.staff import states as agents
from ivr import names as prompts
from ivr.prompts import build
from models import AgentStatus, Proficiency
from models.db.types import now
from telephony.asterisk.obtain import find_asterisk
from telephony.asterisk.process import RunningAsterisk
from telephony.softphone.phone import Phone
from tests.e2e.conftest import hire_before_start
from tests.support.ports import free_port
from tests.support.stack import Whole
from tests.support.wait import until

LANGUAGE = "en"  # of a caller who presses nothing
KEYS = ["my", "th", "km", "lo", "vi", "en", "ko"]
SHORT_BYTES = 1600
MODULES = "app_playback app_read app_record res_musiconhold func_strings"
SETTLES_WITHIN_S = 60.0
PHONE_STAYS_S = 600  # as long as Asterisk allows; without a phone all callers leave the queue, for the message


@dataclass(frozen=True)
class Place:
    """One place; `applications` is what Asterisk runs there on each side."""

    name: str
    applications: dict[str, str]
    plays: bool
    records: bool
    rounds: str
    short: bool
    somebody: bool


PLACES = (
    Place(
        "menu", {"ours": "AGI", "bare": "Read"}, plays=True, records=False, rounds="100", short=False, somebody=False
    ),
    Place(
        "queue", {"ours": "Queue", "bare": "Queue"}, plays=True, records=False, rounds="1", short=True, somebody=True
    ),
    Place(
        "message",
        {"ours": "Record", "bare": "Record"},
        plays=False,
        records=True,
        rounds="1",
        short=True,
        somebody=False,
    ),
)

DIALPLAN = """\
[line]
exten => menu,1,Answer()
 same => n,Read(KEY,{menu},1,,100,1)
exten => queue,1,Answer()
 same => n,Read(KEY,{menu},1,,1,1)
 same => n,Playback({sounds}/en/connecting)
 same => n,Queue({queue})
exten => message,1,Answer()
 same => n,Playback({sounds}/en/message_terms)
 same => n,Playback({sounds}/tone)
 same => n,Record({spool}/${{UNIQUEID}}.sln,8,300,kqy)
"""


class Held(Whole):
    """All of Freeline, and the phone of the agent whom the callers wait for, if there is one."""

    desk: Phone | None = None

    @property
    def pid_of_all(self) -> int:
        """The process that all others are children of."""
        assert self.process is not None
        return self.process.pid

    @property
    def asterisk(self) -> RunningAsterisk:
        """To ask its console."""
        return RunningAsterisk(self.settings, find_asterisk(self.settings))

    @property
    def names(self) -> list[str]:
        """The processes it runs."""
        return list(json.loads((self.settings.run / "processes.json").read_text())["processes"])

    def settle(self) -> None:
        """Wait until all calls are filed and nothing is in the spool; the agent's phone stays for another ten minutes."""
        until(lambda: all(contact.ended_at for contact in self.contacts()), SETTLES_WITHIN_S, 0.5)
        until(lambda: not any(self.settings.spool.glob("*.sln")), SETTLES_WITHIN_S, 0.5)
        if self.desk and self.desk.register(PHONE_STAYS_S) != 200:
            raise RuntimeError("the agent's phone is not let in again")


def spoken(folder: Path) -> Path:
    """The demo's prompts, built below this folder."""
    config = Settings(data=folder / "built")
    build(config, {}, [(str(n), code) for n, code in enumerate(KEYS, start=1)])
    return config.sounds


@contextmanager
def both(
    folder: Path, place: Place, built: Path, more_dialplan: Callable[[Path], str] = lambda _sounds: "", more: str = ""
) -> Iterator[tuple[Held, bare.BareAsterisk]]:
    """Both sides running, ready for callers of this place. `more` are further modules of Asterisk alone."""
    sounds = folder / "sounds"
    shutil.copytree(built, sounds)
    for file in sounds.glob("??/*.sln") if place.short else ():
        os.truncate(file, min(file.stat().st_size, SHORT_BYTES))
    extra = {"RTP_PORTS": "20000-22399", "CALLS_AT_ONCE": "1200", "MENU_WAIT_S": "1", "WRONG_KEYS": place.rounds}
    whole = Held(folder / "ours", sounds, pairs=1, **extra)
    cast = hire_before_start(whole)
    with whole.db.write() as session:
        people.set_languages(session, cast.alice, {LANGUAGE: Proficiency.FLUENT})
    alone = Settings(
        data=folder / "alone",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        ami_port=free_port(),
        rtp_ports="22400-24799",
    )
    alone.data.mkdir(parents=True)
    alone.spool.mkdir()
    alone.sounds.symlink_to(sounds)
    invitations = (f"{code}/{prompts.INVITE}" for code in KEYS)
    menu = "&".join(f"{sounds}/{name}" for name in (f"en/{prompts.OPENING}", f"en/{prompts.QUIET}", *invitations))
    dialplan = DIALPLAN.format(menu=menu, sounds=sounds, queue=bare.QUEUE, spool=alone.spool) + more_dialplan(sounds)
    with ExitStack() as parts:
        # As ours does: waiting costs the music and these.
        announces = [sounds / LANGUAGE / name for name in (prompts.COMFORT, prompts.OFFER)]
        running = bare.start(
            alone,
            dialplan=dialplan,
            more_modules=f"{MODULES} {more}",
            announces=announces,
            every_s=whole.settings.comfort_every_s,
        )
        parts.callback(running.stop)
        parts.callback(whole.stop)
        whole.start()
        if place.somebody:
            whole.desk = whole.phone_of("alice")
            parts.callback(whole.desk.close)
            with whole.db.write() as session:
                # In wrap-up: the queue counts the agent as present.
                agents.set_status(session, cast.alice.id, AgentStatus.WRAP_UP, until=now().replace(year=2100))
            running.command(f"queue pause member PJSIP/{bare.AGENT} queue {bare.QUEUE}")
        yield whole, running
