"""A word finds the cases it stands in, wherever it stands and in whatever script; on both databases alike."""

import pytest
from sqlalchemy import delete
from sqlmodel import Session, col, select

from hotline.cases import search
from hotline.cases.search import holds
from hotline.scope import SYSTEM
from models import Case, Contact, Database, Note, Recording, Transcript
from models.db.types import now
from tests.support.cast import Cast


@pytest.fixture
def ids(db: Database, staff: Cast) -> dict[str, int]:
    """Four cases: one written about, one with notes, one spoken about and corrected, and one with nothing."""
    with db.write() as s:
        cases = {name: Case(reference=f"C-{name}") for name in ("written", "noted", "spoken", "silent")}
        s.add_all(cases.values())
        s.flush()
        found = {name: case.id for name, case in cases.items()}
        cases["written"].summary, cases["written"].alias = "Wages 100% unpaid", "Blue_Bird"
        for words in (
            "Twelve workers in Samut_Sakhon", "နှစ်လ လစာမရဘူး ပတ်စပို့ကို ယူထားတယ်", 'he says "go home"',
            "គេមិនបើកប្រាក់ខែឱ្យយើងទេ", "حقوق ما را نمی‌دهند", "Họ giữ hộ chiếu ở ĐỒNG NAI", "НЕ ПЛАТЯТ",
        ):  # fmt: skip
            s.add(Note(case_id=found["noted"], by_id=staff.alice.id, at=now(), text=words))
        contact = Contact(call="a", case_id=found["spoken"], arrived_at=now())
        nowhere = Contact(call="b", arrived_at=now())
        s.add_all([contact, nowhere])
        s.flush()
        for one in (contact, nowhere):
            recording = Recording(
                spool_name=one.call,
                contact_id=one.id,
                vault_key=one.call,
                sha256="",
                duration_s=1,
                recorded_at=now(),
            )
            s.add(recording)
            s.flush()
            s.add(
                Transcript(
                    recording_id=recording.id, engine="", model="", language="th", took_s=0,
                    text="เขายึดหนังสือเดินทางของเรา", corrected_text="they LOCK the door",
                )
            )  # fmt: skip
        return found


def found(session: Session, word: str) -> set[int | None]:
    return set(session.exec(select(Case.id).where(holds(session, SYSTEM, word)).order_by(col(Case.id))))


@pytest.mark.parametrize(
    ("word", "where"),
    [("wages", ["written"]), ("0%", ["written"]), ("e_b", ["written"]), ("C-noted", ["noted"]), ("c-N", ["noted"]),
     ("t_s", ["noted"]), ("ပတ်စပို့", ["noted"]), ("စပို", ["noted"]), ("เดินทาง", ["spoken"]), ("Lock", ["spoken"]),
     ("%", ["written"]), ("/", []), ("nowhere", []), ("C-", ["written", "noted", "spoken", "silent"]),
     ("ប្រាក់ខែ", ["noted"]), ("ខែ", ["noted"]), ("حقوق", ["noted"]), ("نمی‌ده", ["noted"]), ("ما", ["noted"]),
     ("đồng", ["noted"]), ("đồ", ["noted"]), ("Giữ", ["noted"]), ("платят", ["noted"]), ("не", ["noted"]),
     ("ลอ", []), ("ยึด", ["spoken"]), ("ดิ", ["spoken"]), ('"go', ["noted"]), ('"', ["noted"]), ("'", []), ("AND", []),
     ("wages*", []), ("summary:", []), ("-", ["written", "noted", "spoken", "silent"]), ("k", ["spoken", "noted"])],
)  # fmt: skip
def test_a_part_of_a_word_is_found_where_it_stands(
    word: str, where: list[str], db: Database, ids: dict[str, int]
) -> None:
    with db.read() as session:
        assert found(session, word) == {ids[name] for name in where}


def test_what_is_changed_or_deleted_is_found_no_more(db: Database, ids: dict[str, int]) -> None:
    with db.write() as session:
        session.exec(select(Case).where(Case.id == ids["written"])).one().summary = "Permit lapsed"
        session.exec(select(Transcript)).first().corrected_text = None  # type: ignore[union-attr]
        session.execute(delete(Note))
    with db.read() as session:
        assert found(session, "unpaid") == set()
        assert found(session, "permit") == {ids["written"]}
        assert found(session, "Samut") == found(session, "ပတ်စပို့") == set()
        assert found(session, "lock") == set()
        assert found(session, "เดินทาง") == {ids["spoken"]}
    with db.write() as session:
        session.execute(delete(Transcript))
    with db.read() as session:
        assert found(session, "เดินทาง") == set()


def test_a_short_word_is_looked_for_in_the_newest_cases_only(
    db: Database, ids: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SHORT_WITHIN", 2)
    with db.read() as session:
        assert found(session, "C-") == {ids["spoken"], ids["silent"]}
        assert found(session, "it") == set()
        assert found(session, "C-written") == {ids["written"]}
