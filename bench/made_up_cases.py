"""Made-up cases by the million, with the spread of a real hotline; written straight into the tables of a database.

The rules of `hotline` file one call at a time, as calls come. A million would take most of a day that way, so this
writes the rows that they would have left. Two runs give the same rows: nothing is random, and nothing is about a person.
"""

import hashlib
import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import psycopg
from sqlalchemy import text
from sqlmodel import Session

from hotline.line import languages
from hotline.roster import shifts
from hotline.staff import people
from hotline.staff import states as agents
from models import (
    Agent,
    AgentStatus,
    CallbackKind,
    CaseStatus,
    Database,
    Disposition,
    EventKind,
    Outcome,
    Proficiency,
    Role,
)
from models.db import search_indexes

CHUNK = 20_000
STAFF = 40
# A busy line in the evening: so many calls a day, whatever the number of cases, so that only the past behind them differs.
CALLS_A_DAY = 900
WAITING, TALKING = 4, 12
UNCLAIMED, OPEN = 0.12, 0.25  # of the newest tenth of the cases, and of at least a thousand
OF_THE_READER = 110
CALLBACKS_OPEN = 60
SPOKEN = ("th", "my", "km", "lo", "vi", "en")
LEVELS = (None, None, None, "P1", "P2", "P2", "P3", "P3", "P4")
TALES = (
    "they lock the gate of the dormitory after the shift and he keeps our passports in the office",
    "we were not paid since september and the foreman says that we have to pay for the permit first",
    "my arm was hurt at the machine and nobody takes me to the hospital they say it was my own fault",
    "နှစ်လ လစာမရဘူး ပတ်စပို့ကို သူတို့ယူထားတယ် ဘယ်လိုလုပ်ရမလဲ မသိဘူး",
    "เขาไม่จ่ายค่าล่วงเวลา และยึดหนังสือเดินทางของพวกเราไว้ที่สำนักงาน ตั้งแต่เดือนกันยายน",
)
TITLES = (
    "Wages not paid",
    "Passport held",
    "Hurt at work",
    "Permit lapsed",
    "Overtime not counted",
    "Asks for a clinic",
    "",
)

Row = tuple[Any, ...]
COLUMNS = {
    "caller": "id number_index number_sealed last_language first_seen_at last_seen_at",
    "case_file": "id reference language caller_id status level summary alias workers_affected workers_estimated owner_id "
    "opened_at claimed_at touched_at closed_at closing_reason version",
    "safety": "case_id in_danger can_talk callback window reviewed_at",
    "contact": "id call linkedid channel direction line language queue caller_id handler_id case_id arrived_at key_at "
    "language_at queued_at answered_at message_at callback_at ended_at callback_said outcome disposition recording",
    "case_event": "id case_id at kind by_id detail",
    "note": "id case_id by_id at text",
    "recording": "id spool_name contact_id kind vault_key sha256 language rate_hz duration_s peaks cut_short recorded_at "
    "ingested_at state attempts heard_at heard_by_id",
    "transcript": "recording_id engine model language text words sure took_s at",
    "callback": "id open_for caller_id case_id contact_id kind language calls created_at due_at attempts ended_at",
}


def fill(databases: Sequence[Database], cases: int, at: datetime, say: Callable[[str], None]) -> None:
    """Write so many cases, up to the moment `at`, into each of these empty migrated databases; the same into all."""
    tables = [_Sqlite(database) if database.sqlite else _Postgres(database) for database in databases]
    for database in databases:
        with database.write() as session:
            _hire(session)
            _without_search(session, database)
    made = _Made(cases, at)
    for first in range(1, cases + 1, CHUNK):
        rows = made.chunk(first, min(first + CHUNK, cases + 1))
        for table in tables:
            table.add(rows)
        if cases > CHUNK and first // CHUNK % 10 == 0:
            say(f"{first:,} of {cases:,} made-up cases")
    for database, table in zip(databases, tables, strict=True):
        database.migrate()  # makes the search's indexes again
        table.done()
        say(f"{cases:,} made-up cases can be searched on {database.engine.dialect.name}")


def _without_search(session: Session, database: Database) -> None:
    """The search's indexes are made at the end: in one go they take a part of the time."""
    for name in search_indexes.ON_SQLITE:
        if not database.sqlite:
            session.execute(text(f"DROP INDEX IF EXISTS {name}"))
            continue
        for moment in ("insert", "delete", "update"):
            session.execute(text(f"DROP TRIGGER {name}_{moment}"))
        session.execute(text(f"DROP TABLE {name}"))


def _hire(session: Session) -> None:
    """The staff: all speak Thai, and each two languages more; the first is the one who reads."""
    languages.seed(session, ["1800123456"], demo=True)
    for n in range(STAFF):
        role = Role.SUPERVISOR if n % 10 == 9 else Role.AGENT
        agent = Agent(login=f"agent{n}", name=f"Agent {n}", role=role)  # signed in without a password, by the benchmark
        session.add(agent)
        session.flush()
        people.set_languages(
            session, agent, dict.fromkeys(("th", SPOKEN[n % 6], SPOKEN[(n + 1) % 6]), Proficiency.FLUENT)
        )
        agents.set_status(session, agent.id, AgentStatus.READY if n % 2 else AgentStatus.BREAK)
        for day in range(5):
            shifts.add_shift(session, agent.id, starts=time(n % 24), ends=time((n + 8) % 24), weekday=day)


class _Made:
    """The rows of one set of cases, chunk by chunk."""

    def __init__(self, cases: int, at: datetime) -> None:
        self.cases, self.at = cases, at
        self.chance = random.Random(1800)
        self.callers = self.contacts = self.events = self.notes = self.recordings = self.callbacks = 0
        self.mine = self.owed = 0
        self.words = [json.dumps([_word(n, word) for n, word in enumerate(tale.split())]) for tale in TALES]
        self.peaks = json.dumps([20, 60, 90, 40, 70] * 24)
        self.rows: dict[str, list[Row]] = {}

    def chunk(self, first: int, end: int) -> dict[str, list[Row]]:
        """The rows of the cases from `first` up to `end`, by table, in an order that foreign keys allow."""
        self.rows = {table: [] for table in COLUMNS}
        for case_id in range(first, end):
            self._case(case_id)
        if end > self.cases:
            self._on_the_line()
        return self.rows

    def _moment(self, case_id: int, plus_s: float = 0) -> str:
        ago_s = (self.cases - case_id + 1) * 86_400 / CALLS_A_DAY - plus_s
        return (self.at - timedelta(seconds=ago_s)).strftime("%Y-%m-%d %H:%M:%S.%f")

    def _caller(self, case_id: int, language: str) -> int | None:
        if self.chance.random() < 0.08:
            return None
        if self.callers and self.chance.random() < 0.4:
            return self.chance.randint(1, self.callers)
        self.callers += 1
        index = hashlib.sha256(b"made up %d" % self.callers).hexdigest()
        seen = self._moment(case_id)
        self.rows["caller"].append((self.callers, index, b"sealed" * 36, language, seen, seen))
        return self.callers

    def _case(self, case_id: int) -> None:
        chance = self.chance
        language = SPOKEN[min(int(chance.expovariate(0.6)), 5)]
        caller = self._caller(case_id, language)
        opened, lot = self._moment(case_id), chance.random()
        owner: int | None = chance.randint(1, STAFF)
        status, closed, reason = CaseStatus.CLOSED, self._moment(case_id, 500_000), "done"
        if case_id > self.cases - max(1000, self.cases // 10) and lot < UNCLAIMED + OPEN:
            closed = reason = None  # type: ignore[assignment]
            if lot < UNCLAIMED:
                owner, status = None, CaseStatus.NEW
            else:
                status = (CaseStatus.TRIAGED, CaseStatus.ACTIVE, CaseStatus.REFERRED)[case_id % 3]
                if case_id > self.cases - 1000 and self.mine < OF_THE_READER:
                    owner, self.mine = 1, self.mine + 1
        elif lot > 0.9:
            owner, reason = None, "brief_abandon"
        title = TITLES[case_id % len(TITLES)] if owner else ""
        self.rows["case_file"].append(
            (case_id, f"C-{case_id:07d}", language, caller, status, LEVELS[case_id % len(LEVELS)] if title else None,
             title and f"{title} {case_id % 977}", f"Bird {case_id % 5003}" if case_id % 7 == 0 else None,
             case_id % 90 or None, 1, owner, opened, opened if owner else None, opened if owner else None, closed, reason, 3)
        )  # fmt: skip
        known = owner is not None and lot < 0.6
        callback = ("safe", "unsafe", "unknown", "safe")[case_id % 4] if known else "unknown"
        self.rows["safety"].append(
            (case_id, int(case_id % 50 == 0) if known else None, 1 if known else None, callback,
             "19:00-21:00" if callback == "safe" else None, opened if known else None)
        )  # fmt: skip
        for n in range(1 + (lot * 97 % 1 < 0.2) + (lot * 89 % 1 < 0.05)):
            self._contact(case_id, n, language, caller, owner)
        for n in range(int(lot * 31) % 4 if owner else 0):
            self.notes += 1
            text = f"{TALES[(case_id + n) % 3]}. Met at the bus stop {case_id % 7919}; rests on {TITLES[n].lower()}."
            self.rows["note"].append((self.notes, case_id, owner, self._moment(case_id, 900 * (n + 1)), text))
        if owner:
            self._tell(case_id, 400, EventKind.CLAIMED, owner, {})
            self._tell(case_id, 600, EventKind.SUMMARY, owner, {})
        if closed:
            self._tell(case_id, 500_000, EventKind.MOVED, owner, {"from": "active", "to": "closed", "reason": reason})

    def _tell(self, case_id: int, plus_s: float, kind: EventKind, by: int | None, detail: dict[str, Any]) -> None:
        self.events += 1
        self.rows["case_event"].append(
            (self.events, case_id, self._moment(case_id, plus_s), kind, by, json.dumps(detail))
        )

    def _contact(self, case_id: int, n: int, language: str, caller: int | None, owner: int | None) -> None:
        self.contacts += 1
        lot, later = (
            self.chance.random(),
            -7200.0 * n,
        )  # further calls came before: the newest is at the case's own time
        moments = {plus: self._moment(case_id, later + plus) for plus in (0, 5, 9, 10, 25, 300)}
        outcome = (
            Outcome.ANSWERED if lot < 0.6 else Outcome.VOICEMAIL if lot < 0.76 else Outcome.ABANDONED_IN_QUEUE
            if lot < 0.88 else Outcome.CALLBACK_REQUESTED if lot < 0.94 else Outcome.ABANDONED_IN_MENU
        )  # fmt: skip
        answered, left = outcome is Outcome.ANSWERED, outcome is Outcome.VOICEMAIL
        queued = answered or outcome in {Outcome.ABANDONED_IN_QUEUE, Outcome.CALLBACK_REQUESTED}
        told = Disposition.SUBSTANTIVE if answered and case_id % 50 else None
        self.rows["contact"].append(
            (self.contacts, f"made-up-{self.contacts:09d}", f"17000{self.contacts:09d}.1", "voicemail" if left else "voice",
             "inbound", "1800123456", language, language if queued else None, caller, (owner or 2) if answered else None,
             case_id, moments[0], moments[5], moments[9], moments[10] if queued else None, moments[25] if answered else None,
             moments[25] if left else None, moments[25] if outcome is Outcome.CALLBACK_REQUESTED else None, moments[300],
             "unknown", outcome, told, "off")
        )  # fmt: skip
        kind = EventKind.FILED if n == 0 else EventKind.JOINED
        self._tell(case_id, later + 300, kind, None, {"outcome": outcome, "contact": self.contacts})
        if left:
            self._recording(case_id, later, language, owner)
        if caller is not None and outcome in {Outcome.CALLBACK_REQUESTED, Outcome.ABANDONED_IN_QUEUE} and n == 0:
            self._callback(case_id, language, caller)

    def _recording(self, case_id: int, later: float, language: str, owner: int | None) -> None:
        self.recordings += 1
        number, at = self.recordings, self._moment(case_id, later + 25)
        self.rows["recording"].append(
            (number, f"made-up-{number:09d}.sln", self.contacts, "message", f"{number:032x}", "0" * 64, language, 8000, 48.0,
             self.peaks, 0, at, at, "transcribed" if number % 10 else "needs_listener", 1, at if owner else None, owner)
        )  # fmt: skip
        if number % 10:
            tale = number % len(TALES)
            self.rows["transcript"].append(
                (number, "vosk", "small", language, f"{TALES[tale]} {number % 6007}", self.words[tale], 0.71, 9.5, at)
            )

    def _callback(self, case_id: int, language: str, caller: int) -> None:
        self.callbacks += 1
        is_open = case_id > self.cases - 1000 and self.owed < CALLBACKS_OPEN and caller == self.callers
        self.owed += is_open
        at = self._moment(case_id, 300)
        self.rows["callback"].append(
            (self.callbacks, caller if is_open else None, caller, case_id, self.contacts, CallbackKind.REQUESTED, language,
             1, at, at, 0 if is_open else 1, None if is_open else self._moment(case_id, 9000))
        )  # fmt: skip

    def _on_the_line(self) -> None:
        """Callers who wait now, and who are in conversation."""
        for n in range(WAITING + TALKING):
            self.contacts += 1
            moments = [(self.at - timedelta(seconds=s)).strftime("%Y-%m-%d %H:%M:%S.%f") for s in (60 + n, 50 + n, 40)]
            talking = n >= WAITING
            self.rows["contact"].append(
                (self.contacts, f"made-up-{self.contacts:09d}", f"17000{self.contacts:09d}.1", "voice", "inbound",
                 "1800123456", SPOKEN[n % 6], SPOKEN[n % 6], 1 + n if n < self.callers else None,
                 2 + n if talking else None, None, moments[0], moments[0], moments[1], moments[1],
                 moments[2] if talking else None, None, None, None, "unknown", None, None, "off")
            )  # fmt: skip


def _word(place: int, word: str) -> dict[str, Any]:
    return {"w": word, "start_s": place * 0.5, "end_s": place * 0.5 + 0.4, "sure": 0.5 + place % 5 / 10}


class _Sqlite:
    """Rows into SQLite; the file is not waited for until the end."""

    def __init__(self, database: Database) -> None:
        self.raw = sqlite3.connect(str(database.engine.url.database), isolation_level=None)
        self.raw.execute("PRAGMA synchronous=OFF")
        self.raw.execute("PRAGMA cache_size=-400000")

    def add(self, rows: dict[str, list[Row]]) -> None:
        """A chunk."""
        self.raw.execute("BEGIN")
        for table, columns, values in _filled(rows):
            marks = ",".join("?" * len(values[0]))
            self.raw.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)
        self.raw.execute("COMMIT")

    def done(self) -> None:
        """All is on the disk, in the file itself. There are no statistics: the product takes none either."""
        self.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.raw.close()


class _Postgres:
    """Rows into PostgreSQL by COPY, without looking each foreign key up."""

    def __init__(self, database: Database) -> None:
        url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.raw = psycopg.connect(url)
        self.raw.execute("SET session_replication_role = replica")
        self.raw.execute("SET TIME ZONE 'UTC'")

    def add(self, rows: dict[str, list[Row]]) -> None:
        """A chunk."""
        for table, columns, values in _filled(rows):
            with self.raw.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        self.raw.commit()

    def done(self) -> None:
        """As its own autovacuum leaves it within minutes: counted, and marked visible to all."""
        for table, columns in COLUMNS.items():
            number = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            if columns.startswith("id "):
                self.raw.execute(number)
        self.raw.commit()
        self.raw.autocommit = True
        self.raw.execute("VACUUM ANALYZE")
        self.raw.execute("CHECKPOINT")  # else it would write to the disk during the first rounds
        self.raw.close()


def _filled(rows: dict[str, list[Row]]) -> Iterator[tuple[str, str, list[Row]]]:
    for table, values in rows.items():
        if values:
            columns = ",".join(f'"{name}"' for name in COLUMNS[table].split())
            yield table, columns, values


def evening() -> tuple[datetime, str]:
    """Now, and the time zone in which it is evening: a page that shows the day so far has the whole day to show."""
    at = datetime.now(UTC)
    ahead = (20 - at.hour + 12) % 24 - 12
    return at, f"Etc/GMT{-ahead:+d}" if ahead else "Etc/UTC"
