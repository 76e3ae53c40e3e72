"""The switchboard: AMI's events become rows, and Asterisk's queues, phones and menu are kept equal to the database.

Four threads, so that none waits for another's trouble: the main one turns events into changes, the writer writes them, the
sync thread compares and mends, the listener hears nudges. Asterisk's connection may be lost and the database may be locked
for any time.
"""

import contextlib
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, select

from hotline import nudges as events
from hotline.errors import FreelineError
from hotline.heartbeat import Heartbeat
from hotline.keys import load_keys
from hotline.log import log, start_log
from hotline.nudges import Nudges
from hotline.queue.members import PENALTY_BUSY, desired_members
from hotline.settings import Settings
from models import Agent, AgentState, AgentStatus, Database
from models.db.types import now
from telephony import names
from telephony.asterisk.menu import menu_globals
from telephony.asterisk.render import dialled_lines
from telephony.asterisk.secrets import load_secrets
from telephony.clients.ami import BOOTED, Ami, AmiMessage, AmiRefused, Events
from telephony.clients.ari import Ari
from telephony.clients.cel import CelLog
from telephony.names import agent_of
from telephony.switchboard.ami_events import EventReader
from telephony.switchboard.changes.calls import ChangeContext, PhoneSeen, WrapUpsDue
from telephony.switchboard.queue_sync import INVALID, can_be_rung, difference, queues_in
from telephony.switchboard.reconcile import AsteriskSnapshot, look_in, read_books, sweep, warn_of_long_talks
from telephony.switchboard.refusals import CallsRefused, Refusals
from telephony.switchboard.silent_callers import LOOK_S, SilentCallers
from telephony.switchboard.unsaved_numbers import UnsavedNumbers
from telephony.switchboard.writer import ChangeWriter

ALIVE = "switchboard.alive"
LOOK_EVERY_S = 5.0
SWEEP_EVERY_S = 60.0
CONNECT_EVERY_S = 1.0
BEAT_S = 1.0
HUNG_AFTER_S = 300.0
PAGE_GONE_S = 5.0
BROWSER = "browser"  # in place of a digest: a page has the phone
# A flood of events waits here; past it Asterisk closes the connection, and the sweep finds what it did not tell.
EVENTS_MAX = 100_000
WAKING = {events.AGENTS_CHANGED, events.MENU_CHANGED, events.PROMPTS_CHANGED}


def wanted_phones(session: Session) -> dict[int, str | None]:
    """Return what each agent's phone has to be: the digest of the softphone's secret, `BROWSER` or none."""
    pages = {state.agent_id: state.page for state in session.exec(select(AgentState))}
    return {
        agent.id: (BROWSER if pages.get(agent.id) else agent.phone_secret_ha1) if agent.active else None
        for agent in session.exec(select(Agent))
    }


class Switchboard:
    """The whole, without a process of its own: `run` blocks until `stop`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        keys = load_keys(settings.keys, may_open=False)
        self.db = Database(settings.database, connections=settings.database_connections, audit_key=keys.audit)
        self.nudges = Nudges(settings.redis)
        secrets = load_secrets(settings)
        self.events: Events = queue.Queue(EVENTS_MAX)
        ami = (settings.ami_host, settings.ami_port)
        self.reader = Ami(ami, names.AMI_READER, secrets.ami_reader, self.events, asterisk=secrets.asterisk)
        self.actor = Ami(ami, names.AMI_ACTOR, secrets.ami_actor)
        self.refusals = Refusals()
        # It counts at once instead of queueing: a flood of strangers is no more than a number.
        counted = cast(Events, self.refusals)
        self.watcher = Ami(
            ami, names.AMI_WATCHER, secrets.ami_reader, counted, timeout_s=3.0, asterisk=secrets.asterisk
        )
        self.ari = Ari((settings.asterisk_http_host, settings.asterisk_http_port), names.ARI_USER, secrets.ari)
        self.writer = ChangeWriter(self.db, ChangeContext(keys, settings), self._tell)
        self._lines = dict(dialled_lines(settings))
        self.notices = self._new_notices()
        self.cel = CelLog(names.cel_path(settings.asterisk), settings.run / "switchboard.cel.json")
        self.heartbeat = Heartbeat(settings, "switchboard")
        self._lost_at = self._last_beat()
        self._stop, self._wake = threading.Event(), threading.Event()
        self._linked = False
        self._looked_at = time.monotonic()
        self._swept_at = 0.0
        self._pushed: dict[int, str | None] = {}
        self._page_gone: dict[int, float] = {}
        self._menu: dict[str, str] = {}
        self._warned: set[int] = set()
        self._failing: dict[str, str] = {}
        self._refused_before = 0
        self._vain: deque[str] = deque()
        self._silent, self._silent_at = SilentCallers(self._read, self._put), 0.0
        self._unkept = UnsavedNumbers(settings, self._read, self._channels)

    def run(self) -> None:
        """Work until `stop`, then write what is left."""
        sync = threading.Thread(target=self._keep, daemon=True, name="sync")
        listener = threading.Thread(target=self._listen, daemon=True, name="listener")
        self.writer.start()
        sync.start()
        listener.start()
        while not self._stop.is_set():
            # A thread that has died is a hang: without the beat the supervisor starts us again. A database that is away
            # is none: to start again would lose what waits for it.
            looks = time.monotonic() - self._looked_at < HUNG_AFTER_S
            if looks and self.writer.alive and sync.is_alive() and listener.is_alive():
                self.heartbeat.beat()
            self._hear_for(BEAT_S)
        self._wake.set()
        sync.join(self.reader.timeout_s)
        self.reader.close()
        self.actor.close()
        self.watcher.close()
        self.writer.stop()
        self.db.dispose()

    def stop(self) -> None:
        """Make `run` return. Safe in a signal handler, which must not touch a lock that the main thread may hold."""
        self._stop.set()

    # Events

    def _hear_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                return
            self._heard(event)

    def _heard(self, event: AmiMessage | list[AmiMessage] | None) -> None:
        if event is None:
            if self._linked:
                log().warning("the connection to Asterisk is lost")
                self._linked, self._lost_at = False, now()
            self.notices = self._new_notices()
            self._wake.set()
            return
        try:
            if isinstance(event, list):
                self.writer.put(*self.notices.in_progress(event))
            else:
                self.refusals.heard(event, self._lines)
                self.writer.put(*self.notices.changes(event))
        except Exception as error:  # noqa: BLE001  (the next event may be a hang-up that has to be seen)
            log().error("an event was not understood", error=error)
        if vain := self.notices.orphaned_rings():
            self._vain.extend(vain)
            self._wake.set()
        if isinstance(event, AmiMessage) and event.event == BOOTED:
            self._wake.set()

    def _new_notices(self) -> EventReader:
        # The dialplan waits so long for the agent's phone, and then rings it so long.
        return EventReader(self._lines, timedelta(seconds=2 * self.settings.come_back_s + 5))

    # Nudges

    def _tell(self, *names_of_events: str) -> None:
        # Our own comparison does not wait for Redis.
        if WAKING & set(names_of_events):
            self._wake.set()
        self.nudges.tell(*names_of_events)

    def _listen(self) -> None:
        while not self._stop.is_set():
            for name in self.nudges.hear(wait_s=1.0):
                if self._stop.is_set():
                    return
                if name in WAKING:
                    self._wake.set()
            self._stop.wait(1.0)

    # Comparing and mending

    def _keep(self) -> None:
        while not self._stop.is_set():
            self._looked_at = time.monotonic()
            self._try("asterisk", self._look)
            self._wake.wait(LOOK_EVERY_S if self.reader.connected else CONNECT_EVERY_S)
            self._wake.clear()

    def _try(self, what: str, do: Callable[[], object]) -> bool:
        """Do it; say once that it fails and once that it works again. What fails is tried again at the next look."""
        try:
            do()
        except (FreelineError, SQLAlchemyError, OSError, ValueError) as error:
            if self._failing.get(what) != type(error).__name__:
                why = str(error) if isinstance(error, FreelineError) else ""
                log().warning("not possible now, will be tried again", what=what, why=why, error=error)
            self._failing[what] = type(error).__name__
            return False
        except Exception as error:  # noqa: BLE001  (one that we did not think of must not end the rest)
            log().error("failed, will be tried again", what=what, error=error)
            self._failing[what] = type(error).__name__
            return False
        if self._failing.pop(what, None):
            log().info("possible again", what=what)
        return True

    def _look(self) -> None:
        if not self.reader.connected:
            self.reader.connect()
            self._linked = False
        if not self.actor.connected:
            self.actor.connect()
        if not self.reader.booted:
            return  # it refuses what it has not loaded, and loads its files over what is set; that it is done wakes us
        if not self._linked:
            self._pushed, self._menu, self._swept_at = {}, {}, 0.0
            # AMI tells nothing of what was: the calls in progress are read once, in their place among the events.
            self.events.put(self._channels())
            self._linked = True
            log().info("connected to Asterisk")
        if self.reader.refused > self._refused_before:
            log().warning("events that Asterisk did not send were refused", count=self.reader.refused)
            self._refused_before = self.reader.refused
        self._try("refusals", self._count_refusals)
        self._try("numbers", lambda: self.writer.put(*self._unkept.look()))
        self._try("rings", self._end_orphaned_rings)
        self._try("phones", self._keep_phones)
        self._try("wrap-ups", self._end_wrap_ups)
        self._try("queues", self._keep_queues)
        self._try("menu", self._keep_menu)
        if time.monotonic() - self._silent_at > LOOK_S:
            self._silent_at = time.monotonic()
            self._try("silent callers", lambda: self._silent.look(self._channels()))
        # While changes wait for the database it is behind, and a sweep would only repeat them.
        due = not self._swept_at or time.monotonic() - self._swept_at > SWEEP_EVERY_S
        if due and not self.writer.stuck and self._try("sweep", self._sweep):
            self._swept_at = time.monotonic()
            self._lost_at = None

    def _count_refusals(self) -> None:
        """Write what was refused since the last look, and hear of strangers again when that connection was lost."""
        told, kept = self._global_count(names.REFUSED), self._global_count(names.REFUSED_KEPT)
        if told > kept:
            # Where it is told, so that it is counted once whoever of the three is started again.
            self.actor.send_action({"Action": "Setvar", "Variable": names.REFUSED_KEPT, "Value": str(told)})
            self.refusals.without_sound(told - kept)
        if not self.writer.stuck and (counts := self.refusals.take()):
            self.writer.put(CallsRefused(counts, now()))
        if not self.watcher.connected:
            self.watcher.connect()

    def _global_count(self, name: str) -> int:
        value = self.reader.send_action({"Action": "Getvar", "Variable": name}).get("Value")
        return int(value) if value.isascii() and value.isdigit() else 0

    def _keep_phones(self) -> None:
        """Phones as the database has them, and in the database whether each can be rung."""
        with self.db.read() as session:
            wanted = wanted_phones(session)
            reachable = {state.agent_id for state in session.exec(select(AgentState)) if state.reachable}
        device = {agent_id: self._device_state(agent_id) for agent_id in wanted}
        for agent_id, phone in wanted.items():
            # Asterisk remembers the last state of a phone that was taken away.
            there = phone is not None and can_be_rung(device[agent_id])
            if there != (agent_id in reachable):
                self.writer.put(PhoneSeen(agent_id, there))
        for agent_id, phone in wanted.items():
            if device[agent_id] == INVALID:
                self._pushed[agent_id] = None
            if self._pushed.get(agent_id, "not known") != phone:
                self._push(agent_id, phone)

    def _push(self, agent_id: int, phone: str | None) -> None:
        """Make an agent's phone what it has to be. That of a page is left alone: only the console knows its secret."""
        if phone != BROWSER and self._pushed.get(agent_id) == BROWSER:
            # A page that is loaded again gives the phone back and has a new one a moment later: that one must stay.
            first_seen = self._page_gone.setdefault(agent_id, time.monotonic())
            if time.monotonic() - first_seen < PAGE_GONE_S:
                return
        self._page_gone.pop(agent_id, None)
        if phone is None:
            self.ari.drop_phone(agent_id)
        elif phone != BROWSER:
            self.ari.put_phone(agent_id, phone)
        self._pushed[agent_id] = phone

    def _device_state(self, agent_id: int) -> str:
        # The list of endpoints asks for the right `system`, which nobody has; this does not.
        variable = f"DEVICE_STATE({names.agent_interface(agent_id)})"
        return self.reader.send_action({"Action": "Getvar", "Variable": variable}).get("Value")

    def _read(self, variable: str, channel: str) -> str:
        try:
            return self.reader.send_action({"Action": "Getvar", "Variable": variable, "Channel": channel}).get("Value")
        except AmiRefused:  # it has ended meanwhile
            return ""

    def _put(self, variable: str, value: str, channel: str) -> None:
        with contextlib.suppress(AmiRefused):
            self.actor.send_action({"Action": "Setvar", "Channel": channel, "Variable": variable, "Value": value})

    def _channels(self) -> list[AmiMessage]:
        return self.reader.list_action({"Action": "CoreShowChannels"})

    def _end_orphaned_rings(self) -> None:
        """Stop the phones of who was called into a conversation that is over."""
        while self._vain:
            with contextlib.suppress(AmiRefused):  # it has ended by itself
                self.actor.send_action({"Action": "Hangup", "Channel": self._vain[0], "Cause": "16"})
            self._vain.popleft()

    def _end_wrap_ups(self) -> None:
        """Wrap-ups whose time is over; what is due is looked for first, so that nothing is written for nothing."""
        with self.db.read() as session:
            wrapping_up = session.exec(select(AgentState).where(AgentState.status == AgentStatus.WRAP_UP)).all()
            due = any(state.until is None or state.until <= now() or state.since > now() for state in wrapping_up)
        if due and not self.writer.stuck:
            self.writer.put(WrapUpsDue(now()))

    def _keep_queues(self) -> None:
        """Membership equal to the database's; if that cannot be read, nothing changes."""
        with self.db.read() as session:
            desired = desired_members(session, now(), self.settings)
        lost = self.notices.lost_agents(now())
        # The database may be behind; nobody else may ring whoever is waited for.
        desired = {replace(m, penalty=PENALTY_BUSY) if agent_of(m.interface) in lost else m for m in desired}
        actual = queues_in(self.reader.list_action({"Action": "QueueStatus"}))
        for action in difference(desired, actual):
            self.actor.send_action(action)

    def _keep_menu(self) -> None:
        with self.db.read() as session:
            wanted = menu_globals(session, self.settings)
        # Also for the notices, which look in the same: a line added on screen is a line. One taken away may have had calls.
        self._lines.update(dialled_lines(self.settings, wanted[names.LINES]))
        for name, value in wanted.items():
            if self._menu.get(name) != value:
                self.actor.send_action({"Action": "Setvar", "Variable": name, "Value": value})
                self._menu[name] = value

    def _sweep(self) -> None:
        trails = self.cel.read()
        spool = look_in(self.settings.spool)
        with self.db.read() as session:
            books = read_books(session, trails)
            # Read after the records: a line that was added before one of them was written is known by now.
            self._lines.update(dialled_lines(self.settings, menu_globals(session, self.settings)[names.LINES]))
        there = AsteriskSnapshot.of(self._channels())
        lost = self.notices.lost_agents(now())
        found = sweep(
            books,
            there,
            trails,
            spool.noted,
            now(),
            unmet=spool.unmet,
            lost_at=self._lost_at,
            lost_agents=lost,
            lines=self._lines,
        )
        self.writer.put(*found.changes)
        # What was dialled of a number that is not ours rests in these records until they go.
        strange = any(trail.line and trail.line not in self._lines for trail in trails.values())
        self.cel.settle(found.unsettled, set_aside=strange)
        warn_of_long_talks(books, self.settings.limit_talking_s, now(), self._warned)

    def _last_beat(self) -> datetime | None:
        """Return the time of the last heartbeat: closer than now to when the calls that it left open ended."""
        try:
            return datetime.fromtimestamp(self.heartbeat.path.stat().st_mtime, UTC)
        except OSError:
            return None


def main(settings: Settings) -> int:
    """Run the switchboard until SIGTERM or SIGINT. 0 when it was told to stop, 1 when it could not start."""
    start_log("switchboard")
    try:
        board = Switchboard(settings)
    except FreelineError as error:
        log().error("the switchboard cannot start", why=str(error))
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: board.stop())
    board.run()
    return 0
