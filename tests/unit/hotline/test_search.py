"""A word finds the cases it stands in, wherever it stands and in whatever script; on both databases alike."""

import pytest
from sqlmodel import Session, col, select

from hotline.search import holds
from models import Case, Contact, Database, Note, Recording, Transcript
from models.types import now
from tests.cast import Cast


@pytest.fixture
def ids(db: Database, staff: Cast) -> dict[str, int]:
    """Four cases: one written about, one with notes, one spoken about and corrected, and one with nothing."""
    with db.write() as s:
        cases = {name: Case(reference=f"C-{name}") for name in ("written", "noted", "spoken", "silent")}
        s.add_all(cases.values())
        s.flush()
        found = {name: case.id or 0 for name, case in cases.items()}
        cases["written"].summary, cases["written"].alias = "Wages 100% unpaid", "Blue_Bird"
        for words in ("Twelve workers in Samut_Sakhon", "နှစ်လ လစာမရဘူး ပတ်စပို့ကို ယူထားတယ်"):
            s.add(Note(case_id=found["noted"], by_id=staff.alice.id or 0, at=now(), text=words))
        contact = Contact(call="a", case_id=found["spoken"], arrived_at=now())
        nowhere = Contact(call="b", arrived_at=now())
        s.add_all([contact, nowhere])
        s.flush()
        for one in (contact, nowhere):
            recording = Recording(
                spool_name=one.call,
                contact_id=one.id or 0,
                vault_key=one.call,
                sha256="",
                duration_s=1,
                recorded_at=now(),
            )
            s.add(recording)
            s.flush()
            s.add(
                Transcript(
                    recording_id=recording.id or 0, engine="", model="", language="th", took_s=0,
                    text="เขายึดหนังสือเดินทางของเรา", corrected_text="they LOCK the door",
                )
            )  # fmt: skip
        return found


def found(session: Session, word: str) -> set[int | None]:
    return set(session.exec(select(Case.id).where(holds(word)).order_by(col(Case.id))))


@pytest.mark.parametrize(
    ("word", "where"),
    [("wages", ["written"]), ("0%", ["written"]), ("e_b", ["written"]), ("C-noted", ["noted"]), ("c-N", ["noted"]),
     ("t_s", ["noted"]), ("ပတ်စပို့", ["noted"]), ("စပို", ["noted"]), ("เดินทาง", ["spoken"]), ("Lock", ["spoken"]),
     ("%", ["written"]), ("/", []), ("nowhere", []), ("C-", ["written", "noted", "spoken", "silent"])],
)  # fmt: skip
def test_a_part_of_a_word_is_found_where_it_stands(
    word: str, where: list[str], db: Database, ids: dict[str, int]
) -> None:
    with db.read() as session:
        assert found(session, word) == {ids[name] for name in where}
