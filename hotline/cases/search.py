"""Search: a case is found by its reference, title and alias, its notes, and what was said in its recordings."""

from typing import Any

from sqlalchemy import ColumnElement, Select, column, literal_column, or_, table, union
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from hotline import scope
from hotline.scope import Who
from models import Case, Contact, Note, Recording, Transcript
from models.db.search_indexes import LETTERS

# A word too short for any index is looked for in so many of the newest cases only; else each such search would read all.
SHORT_WITHIN = 10_000


def holds(session: Session, who: Who, word: str) -> ColumnElement[bool]:
    """Return the condition on `Case` that this word stands in it, anywhere and in any case of its letters.

    It narrows a statement that `scope.cases` has narrowed to `who` already.

    Part of a word is enough: Thai, Burmese, Khmer and Lao put no spaces between words. Each place is looked up in its index
    (`models.db.search_indexes`). A word of one or two letters is in no index, and is looked for in the newest cases.
    """
    if len(word) < LETTERS:
        newest = scope.cases(who, select(Case.id)).order_by(col(Case.id).desc()).limit(SHORT_WITHIN)
        words = _cased(word)
        return _places(
            who,
            col(Case.id).in_(newest) & _like(words, Case.reference, Case.summary, Case.alias),
            col(Note.case_id).in_(newest) & _like(words, Note.text),
            col(Contact.case_id).in_(newest) & _like(words, Transcript.text, Transcript.corrected_text),
        )
    if session.get_bind().dialect.name == "sqlite":
        return _places(
            who,
            col(Case.id).in_(_matching("search_case", word)),
            col(Note.id).in_(_matching("search_note", word)),
            col(Transcript.recording_id).in_(_matching("search_transcript", word)),
        )
    return _places(
        who,
        _like([word], Case.reference, Case.summary, Case.alias),
        _like([word], Note.text),
        _like([word], Transcript.text, Transcript.corrected_text),
    )


def _places(
    who: Who, written: ColumnElement[bool], noted: ColumnElement[bool], said: ColumnElement[bool]
) -> ColumnElement[bool]:
    """The cases that are found in one of these places. Each is looked through once, not once for each case."""
    spoken = (
        select(Contact.case_id)
        .join(Recording, col(Recording.contact_id) == col(Contact.id))
        .join(Transcript, col(Transcript.recording_id) == col(Recording.id))
        .where(said, col(Contact.case_id).is_not(None))
    )
    titled = scope.cases(who, select(Case.id).where(written))
    return col(Case.id).in_(union(titled, select(Note.case_id).where(noted), spoken))


def _matching(index: str, word: str) -> Select[Any]:
    """Return the rows of an FTS5 index that contain this word, quoted so that it is matched literally."""
    quoted = '"' + word.replace('"', '""') + '"'
    return sql_select(column("rowid")).select_from(table(index)).where(literal_column(index).op("MATCH")(quoted))


def _like(words: list[str], *columns: Any) -> ColumnElement[bool]:
    return or_(*(col(one).icontains(word, autoescape=True) for one in columns for word in words))


def _cased(word: str) -> list[str]:
    """One or two letters in every case they can have: SQLite knows only for those of English that they are the same."""
    if word.isascii():
        return [word]
    name = word.capitalize()
    return sorted({word, word.lower(), word.upper(), name, name.swapcase()})
