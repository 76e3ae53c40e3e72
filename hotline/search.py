"""What a case is found by: its reference, title and alias, its notes, and what was said in its recordings."""

from typing import Any

from sqlalchemy import ColumnElement, or_, union
from sqlmodel import col, select

from models import Case, Contact, Note, Recording, Transcript


def holds(word: str) -> ColumnElement[bool]:
    """The cases in which this word stands, anywhere and in any case of its letters.

    Part of a word is enough: Thai, Burmese, Khmer and Lao put no spaces between words. Each place is looked through once, or
    in its index on PostgreSQL (`models.search_indexes`), not once for each case.
    """

    def like(column: Any) -> ColumnElement[bool]:
        return col(column).icontains(word, autoescape=True)

    written = select(Case.id).where(or_(like(Case.reference), like(Case.summary), like(Case.alias)))
    noted = select(Note.case_id).where(like(Note.text))
    said = (
        select(Contact.case_id)
        .join(Recording, col(Recording.contact_id) == col(Contact.id))
        .join(Transcript, col(Transcript.recording_id) == col(Recording.id))
        .where(or_(like(Transcript.text), like(Transcript.corrected_text)), col(Contact.case_id).is_not(None))
    )
    return col(Case.id).in_(union(written, noted, said))
