"""Consent: what a worker agreed to. Rows are only ever added; the newest of a case and purpose counts."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from hotline import scope
from hotline.audit import note_act
from hotline.cases import timeline
from hotline.errors import Invalid, Refused
from hotline.line.languages import catalogue
from hotline.permissions import Permission, need
from models import Agent, Consent, ConsentPurpose, Contact, EventKind, TalkRecording
from models.db.types import now

FALLBACK = "en"


@cache
def _data() -> dict[str, Any]:
    with (Path(__file__).parents[1] / "data" / "consent.toml").open("rb") as file:
        return tomllib.load(file)


SCRIPT_VERSION: str = _data()["version"]


@dataclass(frozen=True)
class Script:
    """The words to read aloud. `fallback`: they are English, because nobody has written them in that language yet."""

    version: str
    language: str
    text: str
    fallback: bool


def script(purpose: ConsentPurpose, language: str | None, days: int) -> Script:
    """Return what to read to the worker in their language; `days` is for how long audio is kept."""
    words: dict[str, str] = _data()[purpose]
    text = words.get(language or FALLBACK)
    said = (text or words[FALLBACK]).replace("{days}", str(days))
    return Script(SCRIPT_VERSION, language or FALLBACK, said, fallback=text is None)


def give(
    session: Session,
    case_id: int,
    contact_id: int | None,
    purpose: ConsentPurpose,
    by: Agent,
    language: str,
    script: str,
) -> Consent:
    """The worker agreed, in this language, to the words of this version. In a call, it may be recorded from now on.

    Audited, and told on the case. Raises `Invalid` for words that are no longer read, `Refused` when the call is over or
    belongs to another case.
    """
    need(by, Permission.WORK_CASES)
    if script != SCRIPT_VERSION:
        raise Invalid(script="The words have changed. Read the new ones to the worker, then ask again.")
    if language not in catalogue():
        raise Invalid(language="Choose the language you read it in.")
    contact = _contact(session, case_id, contact_id)
    if contact is not None and contact.ended_at is not None:
        raise Refused("This call is over.")
    row = _add(session, case_id, contact_id, purpose, by, language, script, given=True)
    if contact is not None and contact.recording is TalkRecording.OFF:
        contact.recording = TalkRecording.CONSENTED
        session.add(contact)
        session.flush()
    return row


def refuse(
    session: Session,
    case_id: int,
    contact_id: int | None,
    purpose: ConsentPurpose,
    by: Agent,
    language: str,
    script: str,
) -> Consent:
    """Keep that the worker was asked and said no, so that the next agent does not ask again. Ends what stood before.

    Audited, and told on the case. Raises as `give`.
    """
    need(by, Permission.WORK_CASES)
    if script != SCRIPT_VERSION:
        raise Invalid(script="The words have changed. Read the new ones to the worker, then ask again.")
    if language not in catalogue():
        raise Invalid(language="Choose the language you read it in.")
    _contact(session, case_id, contact_id)
    _no_recording(session, case_id, contact_id)
    return _add(session, case_id, contact_id, purpose, by, language, script, given=False)


def withdraw(
    session: Session, case_id: int, purpose: ConsentPurpose, by: Agent, contact_id: int | None = None
) -> Consent | None:
    """The worker took it back: no call of the case may be recorded. Whoever runs a recorder stops it after this.

    Audited, and told on the case. None when nothing stood; the calls are put to `off` all the same.
    """
    need(by, Permission.WORK_CASES)
    scope.case(session, by, case_id)
    before = newest(session, case_id, purpose)
    if contact_id is not None:
        _contact(session, case_id, contact_id)
    _no_recording(session, case_id, contact_id)
    if before is None or not before.given:
        return None
    # It names the call in which the worker agreed: that call may be joined to another case by now.
    about = before.contact_id or contact_id
    return _add(session, case_id, about, purpose, by, before.language, before.script, given=False)


def _no_recording(session: Session, case_id: int, contact_id: int | None) -> None:
    """No call of the case that goes on, nor this one, may be recorded."""
    mine = select(Contact).where(
        _calls_of(case_id),
        col(Contact.recording) != TalkRecording.OFF,
        or_(col(Contact.ended_at).is_(None), col(Contact.id) == contact_id),
    )
    for contact in session.exec(mine).all():
        contact.recording = TalkRecording.OFF
        session.add(contact)
    session.flush()


def newest(session: Session, case_id: int, purpose: ConsentPurpose) -> Consent | None:
    """Return the row that counts; None when the worker was never asked. By the order of writing, whatever a clock said."""
    query = select(Consent).where(_about(case_id), col(Consent.purpose) == purpose)
    return session.exec(query.order_by(col(Consent.id).desc()).limit(1)).first()


def _about(case_id: int) -> ColumnElement[bool]:
    """Said in this case, or in a call that was joined to it since."""
    calls = select(Contact.id).where(col(Contact.case_id) == case_id)
    return or_(col(Consent.case_id) == case_id, col(Consent.contact_id).in_(calls))


def _calls_of(case_id: int) -> ColumnElement[bool]:
    """The calls of this case, and those in which the worker was asked before they were joined to another."""
    asked = select(Consent.contact_id).where(col(Consent.case_id) == case_id)
    return or_(col(Contact.case_id) == case_id, col(Contact.id).in_(asked))


def stands(session: Session, case_id: int, purpose: ConsentPurpose) -> bool:
    """Whether the worker agreed and has not taken it back."""
    row = newest(session, case_id, purpose)
    return row is not None and row.given


def may_record(session: Session, contact: Contact) -> bool:
    """Whether this conversation may be recorded now: the worker agreed in this very call, and it stands."""
    return (
        contact.recording is not TalkRecording.OFF
        and contact.ended_at is None
        and contact.case_id is not None
        and stands(session, contact.case_id, ConsentPurpose.RECORDING)
    )


def recorded_now(session: Session, case_id: int) -> list[str]:
    """The calls of a case whose conversation is recorded at this moment, by their ids."""
    query = select(Contact.call).where(
        _calls_of(case_id),
        col(Contact.ended_at).is_(None),
        col(Contact.recording) == TalkRecording.RUNNING,
    )
    return list(session.exec(query))


def of_case(session: Session, case_id: int) -> list[Consent]:
    """All that was agreed to and taken back in a case, newest first."""
    return list(session.exec(select(Consent).where(_about(case_id)).order_by(col(Consent.id).desc())))


def _contact(session: Session, case_id: int, contact_id: int | None) -> Contact | None:
    if contact_id is None:
        return None
    contact = session.get(Contact, contact_id)
    if contact is None or contact.case_id != case_id:
        raise Refused("This call does not belong to the case.")
    session.flush()
    session.refresh(contact, with_for_update={"key_share": True})
    return contact


def _add(
    session: Session,
    case_id: int,
    contact_id: int | None,
    purpose: ConsentPurpose,
    by: Agent,
    language: str,
    script: str,
    *,
    given: bool,
) -> Consent:
    case = scope.case(session, by, case_id)
    row = Consent(
        case_id=case_id,
        contact_id=contact_id,
        purpose=purpose,
        given=given,
        language=language,
        script=script,
        by_id=by.id,
        at=now(),
    )
    session.add(row)
    session.flush()
    act = "consent_given" if given else "consent_withdrawn"
    note_act(session, act, f"case:{case_id}", by_id=by.id, purpose=purpose, language=language, script=script)
    timeline.tell(session, case, EventKind.CONSENT, row.at, by, given=given, purpose=purpose, language=language)
    return row
