"""An evening of made-up calls, through the hotline's own functions."""

import uuid
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlmodel import Session

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import work
from hotline.keys import Keys
from hotline.roster import shifts as roster
from hotline.staff import states as agents
from models import (
    Agent,
    AgentStatus,
    CallbackSafety,
    Case,
    CaseStatus,
    Contact,
    Proficiency,
    Recording,
    RecordingState,
    Transcript,
)
from models.db.types import now
from tests.support.thailand import saw

JOIN_S, BRIEF_S = 900, 10


@dataclass
class Evening:
    """Makes calls that began so many minutes ago."""

    session: Session
    keys: Keys
    at: datetime
    next_number: int = 812345600

    def call(
        self, language: str, ago_s: float, *, number: str | None = "", queued: bool = True, **seen: object
    ) -> Contact:
        """A call that arrived and chose its language; an empty number is a new one, None is withheld."""
        if number == "":
            self.next_number += 1
            number = f"0{self.next_number}"
        moment = self.at - timedelta(seconds=ago_s)
        call = str(uuid.uuid4())
        first = Seen(line="1800123456", number=number, **seen)  # type: ignore[arg-type]
        saw(self.session, self.keys, call, Fact.ARRIVED, moment - timedelta(seconds=12), first)
        saw(self.session, self.keys, call, Fact.KEY, moment - timedelta(seconds=3))
        contact = saw(self.session, self.keys, call, Fact.LANGUAGE, moment, Seen(language=language))
        if queued:
            contact = self.saw(contact, Fact.QUEUED, moment, queue=language)
        return contact

    def saw(self, contact: Contact, fact: Fact, at: datetime, **seen: object) -> Contact:
        """Add a further fact."""
        return saw(self.session, self.keys, contact.call, fact, at, Seen(**seen))  # type: ignore[arg-type]

    def close(self, contact: Contact, at: datetime) -> Case:
        """End the call, and return its case."""
        calls.close(self.session, contact, at, join_within_s=JOIN_S, brief_s=BRIEF_S)
        case = self.session.get_one(Case, contact.case_id)
        case.opened_at = at
        self.session.add(case)
        return case

    def answered(self, language: str, ago_s: float, wait_s: float, talk_s: float, by: Agent, **seen: object) -> Case:
        """A call that was answered and is over."""
        contact = self.call(language, ago_s + wait_s + talk_s, **seen)  # type: ignore[arg-type]
        answer = self.at - timedelta(seconds=ago_s + talk_s)
        self.saw(contact, Fact.ANSWERED, answer, handler_id=by.id)
        return self.close(contact, self.at - timedelta(seconds=ago_s))

    def voicemail(
        self, language: str, ago_s: float, length_s: float, text: str = "", sure: float | None = None
    ) -> Case:
        """A message that was left, with its draft transcript or without one."""
        contact = self.call(language, ago_s + length_s, queued=False)
        self.saw(contact, Fact.MESSAGE, self.at - timedelta(seconds=ago_s + length_s))
        recording = Recording(
            spool_name=f"{contact.call}.sln", contact_id=0, vault_key=uuid.uuid4().hex, sha256="0" * 64,
            language=language, duration_s=length_s, peaks=[20, 60, 90, 40] * 30,
            recorded_at=self.at - timedelta(seconds=ago_s + length_s),
            state=RecordingState.TRANSCRIBED if text else RecordingState.NEEDS_LISTENER,
        )  # fmt: skip
        calls.attach(self.session, contact, recording)
        if text:
            self.session.add(
                Transcript(
                    recording_id=recording.id, engine="vosk", model="small-en-us-0.15", language=language,
                    text=text, sure=sure, took_s=4.0,
                )
            )  # fmt: skip
        return self.close(contact, self.at - timedelta(seconds=ago_s))

    def abandoned(self, language: str, ago_s: float, wait_s: float, **seen: object) -> Case:
        """A caller who left the queue."""
        contact = self.call(language, ago_s + wait_s, **seen)  # type: ignore[arg-type]
        return self.close(contact, self.at - timedelta(seconds=ago_s))

    def callback(self, language: str, ago_s: float) -> Case:
        """A caller who asked to be called back and said that it is safe."""
        contact = self.call(language, ago_s + 70, callback_said=CallbackSafety.SAFE)
        self.saw(contact, Fact.CALLBACK, self.at - timedelta(seconds=ago_s))
        return self.close(contact, self.at - timedelta(seconds=ago_s))


def say(session: Session, case: Case, summary: str, level: str | None, by: Agent, workers: int | None = None) -> None:
    """Set what a case is about, in our words, and its level."""
    work.summarise(session, case.id, summary, by)
    case.level, case.workers_affected = level, workers
    session.add(case)


WORDS = "I am calling from the dormitory, they lock the gate after the shift and he keeps our passports in the office"
OWN = [("Overtime not counted", "P3"), ("Permit lapsed, employer keeps papers", "P2"), ("Asks for a clinic", "P4")]


def evening(session: Session, keys: Keys, staff: list[Agent], at: datetime | None = None) -> Evening:
    """Two callers waiting, one in conversation, seven cases unclaimed, and a day of calls behind them."""
    it = Evening(session, keys, at or now())
    alice, bob = staff[0], staff[1]
    it.call("km", 48, number="0898765432")
    it.call("my", 7, number=None)
    talk = it.call("th", 310)
    it.saw(talk, Fact.ANSWERED, it.at - timedelta(seconds=300), handler_id=bob.id)
    agents.on_call(session, bob.id, talk.call, it.at - timedelta(seconds=300))
    agents.set_status(session, alice.id, AgentStatus.READY, at=it.at - timedelta(minutes=14))
    agents.set_reachable(session, alice.id, True)
    held = it.voicemail("en", 3 * 3600 + 600, 112, WORDS, 0.81)
    say(session, held, "Passport and phone held, guarded dormitory", "P1", bob)
    say(session, it.answered("th", 41 * 60, 6, 861, bob), "Wages not paid since September", "P2", bob, 12)
    it.voicemail("km", 26 * 60, 34)
    it.abandoned("lo", 18 * 60, 80)
    it.callback("vi", 9 * 60)
    say(session, it.answered("th", 4 * 60, 4, 902, bob), "Rights on changing employer", "P4", bob)
    day_behind(it, alice)
    it.abandoned("th", 5000, 40, number=None)
    return it


def day_behind(it: Evening, alice: Agent) -> None:
    """Calls that Alice took today; three of their cases are still open."""
    for n in range(24):
        number = "0898765432" if n == 3 else ""
        done = it.answered("th" if n % 2 else "my", 5400 + n * 240, 5 + n % 12, 200 + n * 11, alice, number=number)
        work.claim(it.session, done.id, alice)
        if n < len(OWN):
            say(it.session, done, *OWN[n], alice)
        else:
            done.closed_at, done.status = it.at, CaseStatus.CLOSED
            it.session.add(done)


def shifts(session: Session, staff: dict[str, list[Agent]]) -> None:
    """A roster with a thin night and a hole in the late evening."""
    for day in range(7):
        for agent in staff["whole"]:
            roster.add_shift(session, agent.id, starts=time(0), ends=time(0), weekday=day)
        for agent in staff["day"]:
            roster.add_shift(session, agent.id, starts=time(6), ends=time(22), weekday=day)


FLUENT, BASIC, NATIVE = Proficiency.FLUENT, Proficiency.BASIC, Proficiency.NATIVE
