"""Numbers that may be called without a worker's word: shelters, interpreters, embassies. A supervisor approves each."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from hotline.audit import note_act
from hotline.errors import Invalid, NotFound, Refused
from hotline.keys import Keys
from hotline.line.languages import catalogue
from hotline.numbers import BARRED_WORDS, Numbering, for_the_eye
from hotline.permissions import Permission, need
from models import Agent, Caller, DirectoryEntry, EntryKind

NAME_MAX, NOTE_MAX = 120, 300
A_WORKERS_TELEPHONE = "This is a worker's telephone. Workers are called from their case only."


def add(
    session: Session,
    keys: Keys,
    by: Agent,
    *,
    name: str,
    kind: EntryKind,
    number: str,
    language: str | None = None,
    note: str = "",
    numbering: Numbering,
) -> DirectoryEntry:
    """Add a number; it is sealed at once. Audited. Raises `Invalid` with what to mend, or why it may not be dialled."""
    need(by, Permission.CHANGE_DIRECTORY)
    name, language, note = _words(name, language, note)
    spelling = _spelling(session, keys, number, numbering)
    entry = DirectoryEntry(
        name=name,
        kind=kind,
        language=language,
        note=note,
        number_sealed=keys.seal(spelling.encode()),
        number_index=keys.find_by(spelling),
        added_by_id=by.id,
    )
    session.add(entry)
    session.flush()
    note_act(session, "directory_added", f"entry:{entry.id}", by_id=by.id, kind=kind)
    return entry


def change(
    session: Session,
    keys: Keys,
    entry_id: int,
    by: Agent,
    *,
    name: str,
    kind: EntryKind,
    number: str = "",
    language: str | None = None,
    note: str = "",
    numbering: Numbering,
) -> DirectoryEntry:
    """Change an entry; without a `number` it keeps its own. Audited by field. Raises `NotFound` or `Invalid`."""
    need(by, Permission.CHANGE_DIRECTORY)
    entry = load(session, entry_id)
    name, language, note = _words(name, language, note)
    values: dict[str, object] = {"name": name, "kind": kind, "language": language, "note": note}
    if number.strip():
        spelling = _spelling(session, keys, number, numbering)
        index = keys.find_by(spelling)
        if index != entry.number_index:
            values |= {"number_index": index, "number_sealed": keys.seal(spelling.encode())}
    changed = [field for field, value in values.items() if getattr(entry, field) != value]
    for field in changed:
        setattr(entry, field, values[field])
    session.add(entry)
    session.flush()
    fields = sorted({"number" if f.startswith("number_") else f for f in changed})
    note_act(session, "directory_changed", f"entry:{entry_id}", by_id=by.id, fields=fields)
    return entry


def switch(session: Session, entry_id: int, by: Agent, *, active: bool) -> DirectoryEntry:
    """Switch an entry off, so that nobody can call it, or on again. Nothing is deleted. Audited."""
    need(by, Permission.CHANGE_DIRECTORY)
    entry = load(session, entry_id)
    if entry.active is not active:
        entry.active = active
        session.add(entry)
        session.flush()
        act = "directory_switched_on" if active else "directory_switched_off"
        note_act(session, act, f"entry:{entry_id}", by_id=by.id)
    return entry


def entries(
    session: Session, kind: EntryKind | None = None, language: str | None = None, *, all_of_them: bool = False
) -> Sequence[DirectoryEntry]:
    """The entries that can be called, by kind and name; with `all_of_them` those switched off too, last.

    `language` also lets through entries that name none.
    """
    query = select(DirectoryEntry).order_by(
        col(DirectoryEntry.active).desc(), col(DirectoryEntry.kind), col(DirectoryEntry.name), col(DirectoryEntry.id)
    )
    if not all_of_them:
        query = query.where(col(DirectoryEntry.active))
    if kind is not None:
        query = query.where(col(DirectoryEntry.kind) == kind)
    if language is not None:
        query = query.where((col(DirectoryEntry.language) == language) | col(DirectoryEntry.language).is_(None))
    return session.exec(query).all()


def load(session: Session, entry_id: int) -> DirectoryEntry:
    """The entry. Raises `NotFound`."""
    entry = session.get(DirectoryEntry, entry_id)
    if entry is None:
        raise NotFound("There is no such entry in the directory.")
    return entry


def number_to_call(session: Session, keys: Keys, entry_id: int, by: Agent, numbering: Numbering) -> str:
    """The number for the telephone alone, as E.164 or a short code. Audited each time.

    Raises `Refused` when the entry is switched off, when a worker has called from this number since it was added, and when
    the number may not be dialled.
    """
    need(by, Permission.USE_PHONE)
    entry = load(session, entry_id)
    if not entry.active:
        raise Refused("This number is switched off in the directory.")
    if _is_a_callers(session, entry.number_index):
        raise Refused(A_WORKERS_TELEPHONE)
    number = keys.open(entry.number_sealed).decode()
    if (barred := numbering.barred(number)) is not None:
        raise Refused(BARRED_WORDS[barred])
    note_act(session, "directory_called", f"entry:{entry_id}", by_id=by.id)
    return number


def show_number(session: Session, keys: Keys, entry_id: int, by: Agent) -> str:
    """The number as people read it, for who keeps the directory. Audited each time."""
    need(by, Permission.CHANGE_DIRECTORY)
    entry = load(session, entry_id)
    note_act(session, "directory_number_shown", f"entry:{entry_id}", by_id=by.id)
    return for_the_eye(keys.open(entry.number_sealed).decode())


def _is_a_callers(session: Session, index: str) -> bool:
    return session.exec(select(Caller.id).where(col(Caller.number_index) == index)).first() is not None


def _spelling(session: Session, keys: Keys, number: str, numbering: Numbering) -> str:
    spelling = numbering.typed(number)
    if spelling is None:
        raise Invalid(number="This is no telephone number. Give it with its country, such as +66 2 123 4567.")
    if (barred := numbering.barred(spelling)) is not None:
        raise Invalid(number=BARRED_WORDS[barred])
    if _is_a_callers(session, keys.find_by(spelling)):
        raise Invalid(number=A_WORKERS_TELEPHONE)
    return spelling


def _words(name: str, language: str | None, note: str) -> tuple[str, str | None, str]:
    name, note = (" ".join(text.replace("\x00", "").split()) for text in (name, note))
    wrong = {} if name else {"name": "Give a name, such as that of the shelter."}
    if len(name) > NAME_MAX:
        wrong["name"] = f"Keep the name under {NAME_MAX} characters."
    if len(note) > NOTE_MAX:
        wrong["note"] = f"Keep the note under {NOTE_MAX} characters."
    if language and language not in catalogue():
        wrong["language"] = "Choose one of the languages, or none."
    if wrong:
        raise Invalid(**wrong)
    return name, language or None, note
