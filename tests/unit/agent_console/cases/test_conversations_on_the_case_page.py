"""A recorded conversation on a case's page: told from a message, and nobody is asked to listen to it."""

from sqlmodel import select

from hotline.calls import facts as calls
from hotline.cases import page as case_page
from hotline.cases.next_steps import StepKind
from hotline.keys import Keys
from hotline.settings import Settings
from models import Case, Contact, Database, EventKind, Recording, RecordingKind
from models.db.types import now
from recordings.vault.consent_gate import TAKEN_BACK, tell_destroyed
from tests.support.browsers import Browser
from tests.support.cast import Cast
from tests.support.recorded import leave_message


def with_conversation(db: Database, keys: Keys, settings: Settings, staff: Cast) -> int:
    """A case of Alice's with a message that was heard and a conversation that nobody listened to again."""
    with db.write() as session:
        contact, message = leave_message(session, keys, settings.vault, pcm=b"\x10\x20" * 8000, text="the gate")
        message.heard_at = now()
        session.add(message)
        spoken = message.model_dump(exclude={"id", "heard_at"}) | {
            "spool_name": "x.talk1.sln",
            "vault_key": "0" * 32,
            "kind": RecordingKind.CONVERSATION,
        }
        calls.attach(session, contact, Recording(**spoken))
        case = session.get(Case, contact.case_id)
        assert case is not None
        case.owner_id = staff.alice.id
        session.add(case)
        return contact.case_id or 0


async def test_a_conversation_is_told_from_a_message_and_each_has_its_player(
    alice: Browser, db: Database, keys: Keys, settings: Settings, staff: Cast
) -> None:
    case_id = with_conversation(db, keys, settings, staff)
    page = await alice.text(f"/cases/{case_id}")
    assert page.count("<voice-player") == 2
    assert "<strong>Message</strong>" in page
    assert "<strong>Conversation</strong>" in page
    assert "Conversation recorded" in page


def test_nobody_is_asked_to_listen_to_a_conversation_that_an_agent_had(
    db: Database, keys: Keys, settings: Settings, staff: Cast
) -> None:
    case_id = with_conversation(db, keys, settings, staff)
    with db.read() as session:
        shown = case_page.read(session, case_id, staff.alice)
    assert StepKind.LISTEN not in {step.kind for step in shown.steps}
    assert {m.recording.kind: m.recording.heard_at is None for m in shown.calls[0].messages} == {
        RecordingKind.MESSAGE: False,
        RecordingKind.CONVERSATION: True,
    }


async def test_the_timeline_says_that_a_conversation_was_destroyed_and_why(
    alice: Browser, db: Database, keys: Keys, settings: Settings, staff: Cast
) -> None:
    case_id = with_conversation(db, keys, settings, staff)
    with db.write() as session:
        contact = session.exec(select(Contact).where(Contact.case_id == case_id)).one()
        tell_destroyed(session, contact, TAKEN_BACK, "talk 1")
        tell_destroyed(session, contact, TAKEN_BACK, "talk 1")
        shown = case_page.read(session, case_id, staff.alice)
    assert sum(event.kind is EventKind.RECORDED and "destroyed" in event.detail for event in shown.events) == 1
    page = await alice.text(f"/cases/{case_id}")
    assert "Conversation destroyed unheard" in page
    assert "consent was taken back" in page
