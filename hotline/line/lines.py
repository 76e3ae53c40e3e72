"""The numbers that workers dial."""

import re

from sqlmodel import Session, col, select

from hotline.audit import note_act
from hotline.errors import Invalid, NotFound
from models import Line

_NUMBER = re.compile(r"\+?[0-9]{3,20}")


def all_lines(session: Session) -> list[Line]:
    """The lines, by number."""
    return list(session.exec(select(Line).order_by(col(Line.number))))


def add_line(session: Session, number: str, name: str, *, toll_free: bool, by_id: int | None) -> Line:
    """Add a line. `number` is as the trunk delivers it. Raises `Invalid`."""
    number = re.sub(r"[\s().-]", "", number)
    if not _NUMBER.fullmatch(number):
        raise Invalid(number="A number is 3 to 20 digits, as the trunk delivers it, with or without +.")
    if session.get(Line, number) is not None:
        raise Invalid(number="This line is there already.")
    line = Line(number=number, name=_name(name), toll_free=toll_free)
    session.add(line)
    session.flush()
    note_act(session, "line_added", f"line:{number}", by_id=by_id)
    return line


def change_line(session: Session, number: str, name: str, *, toll_free: bool, by_id: int | None) -> Line:
    """Change a line's name and whether it costs the caller. Raises `NotFound` or `Invalid`."""
    line = _load(session, number)
    line.name, line.toll_free = _name(name), toll_free
    session.add(line)
    session.flush()
    note_act(session, "line_changed", f"line:{number}", by_id=by_id)
    return line


def remove_line(session: Session, number: str, *, by_id: int | None) -> None:
    """Take a line off the list. Its calls and cases stay."""
    session.delete(_load(session, number))
    session.flush()
    note_act(session, "line_removed", f"line:{number}", by_id=by_id)


def _load(session: Session, number: str) -> Line:
    line = session.get(Line, number)
    if line is None:
        raise NotFound("There is no such line.")
    return line


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise Invalid(name="Give the line a name, such as Worker hotline.")
    if len(name) > 120:
        raise Invalid(name="Keep the name under 120 characters.")
    return name
