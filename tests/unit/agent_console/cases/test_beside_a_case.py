"""What stands beside a case: what she agreed to, whose call it is, and whether her telephone is limited."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import col, select

from hotline.calls import caller_limits, conversations
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import consents, joining, work
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.settings import Settings
from hotline.staff import states as agents
from models import (
    AuditEntry,
    CallerLimit,
    Case,
    CaseStatus,
    Consent,
    ConsentPurpose,
    Contact,
    Database,
    TalkRecording,
)
from models.db.types import now
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.owed_callbacks import DIGITS, NUMBER, Wire, a_call, asterisk
from tests.support.thailand import saw

CASE = HTMX | {"HX-Target": "case"}


@pytest.fixture
def talking(db: Database, keys: Keys, staff: Cast) -> int:
    """Alice talks with a worker in Burmese; the id of the case."""
    alice = staff.alice.id
    with db.write() as session:
        saw(session, keys, "talk", Fact.ARRIVED, now(), Seen(linkedid="talk", number=NUMBER))
        contact = saw(session, keys, "talk", Fact.ANSWERED, now(), Seen(language="my", handler_id=alice))
        calls.answered(session, contact, alice, now(), join_within_s=900)
        conversations.begin(session, "talk", alice, now())
        agents.on_call(session, alice, "talk", now())
        return contact.case_id or 0


@pytest.fixture
def wire(settings: Settings, staff: Cast) -> Iterator[Wire]:
    """A fake Asterisk."""
    with asterisk(settings, staff) as it:
        yield it


def contact_of(db: Database, case_id: int) -> Contact:
    with db.read() as session:
        return session.exec(select(Contact).where(Contact.case_id == case_id)).one()


def said(db: Database) -> list[Consent]:
    with db.read() as session:
        return list(session.exec(select(Consent).order_by(col(Consent.id))))


def asked(text: str) -> dict[str, str]:
    """The hidden fields of the form in which her answer is kept."""
    panel = text[text.index('id="consent"') :]
    return dict(re.findall(r'name="(contact|language|script)" value="([^"]*)"', panel))


def acts(db: Database) -> list[str]:
    with db.read() as session:
        return list(session.exec(select(AuditEntry.act)))


# Consent


async def test_consent_is_asked_in_the_call_in_her_language(
    alice: Browser, talking: int, db: Database, settings: Settings
) -> None:
    """The words to read aloud stand there; yes is kept with the version and the language they were read in."""
    text = await alice.text(f"/cases/{talking}")
    script = consents.script(ConsentPurpose.RECORDING, "my", settings.audio_days)
    assert script.text in text
    assert f'class="script" lang="{script.language}"' in text
    answer = await alice.post(f"/cases/{talking}/consent", CASE, said="yes", **asked(text))
    assert answer.status == 200
    (row,) = said(db)
    assert (row.given, row.language, row.script) == (True, "my", script.version)
    assert contact_of(db, talking).recording is TalkRecording.CONSENTED
    text = await answer.text()
    assert "Given" in text
    assert "The worker takes it back" in text
    assert "The worker said yes" not in text
    assert "Agreed to be recorded" in text


async def test_no_is_kept_too_and_nothing_is_recorded(alice: Browser, talking: int, db: Database) -> None:
    """So that she is not asked again by the next."""
    fields = asked(await alice.text(f"/cases/{talking}"))
    answer = await alice.post(f"/cases/{talking}/consent", CASE, said="no", **fields)
    assert "Not given" in await answer.text()
    assert [row.given for row in said(db)] == [False]
    assert contact_of(db, talking).recording is TalkRecording.OFF
    assert (await alice.post("/phone/calls/talk/record", HTMX)).status == 409


async def test_taking_it_back_stops_the_recorder(alice: Browser, talking: int, db: Database, wire: Wire) -> None:
    """Her word is kept first; then the line is asked."""
    fields = asked(await alice.text(f"/cases/{talking}"))
    await alice.post(f"/cases/{talking}/consent", said="yes", **fields)
    with db.write() as session:
        contact = session.exec(select(Contact)).one()
        contact.recording = TalkRecording.RUNNING
        session.add(contact)
    worker = {"Channel": "PJSIP/trunk-00000001", "Uniqueid": "1.1", "Linkedid": "1.1", "ChannelState": "6"}
    recorder = {"Channel": "Local/s@recorder-00000002;1", "Uniqueid": "1.5", "Linkedid": "1.1", "ChannelState": "6"}
    wire.ami.channels = [
        (worker, {"FREELINE_CALL": "talk", "FREELINE_LEG": ""}),
        (recorder, {"FREELINE_CALL": "talk", "FREELINE_LEG": "recorder"}),
    ]
    answer = await alice.post(f"/cases/{talking}/consent", CASE, said="withdraw")
    assert answer.status == 200, await answer.text()
    hung_up = [fields["Channel"] for fields in wire.ami.done if fields["Action"] == "Hangup"]
    assert hung_up == [recorder["Channel"]]
    assert [row.given for row in said(db)] == [True, False]
    assert contact_of(db, talking).recording is TalkRecording.OFF


async def test_a_recorder_that_cannot_be_stopped_is_said_and_her_word_is_kept(
    alice: Browser, talking: int, db: Database
) -> None:
    """Without Asterisk: what was recorded is destroyed at ingest, because no consent stands."""
    fields = asked(await alice.text(f"/cases/{talking}"))
    await alice.post(f"/cases/{talking}/consent", said="yes", **fields)
    with db.write() as session:
        contact = session.exec(select(Contact)).one()
        contact.recording = TalkRecording.RUNNING
        session.add(contact)
    answer = await alice.post(f"/cases/{talking}/consent", CASE, said="withdraw")
    assert answer.status == 409
    assert "the recorder did not stop: end the call" in await answer.text()
    assert [row.given for row in said(db)] == [True, False]


async def test_consent_is_no_form_without_a_call_or_with_old_words(
    alice: Browser, talking: int, db: Database, keys: Keys
) -> None:
    """Words that have changed are read anew; a call of another case gives nothing."""
    other = a_call(db, keys, "other", number="0861112222")
    fields = asked(await alice.text(f"/cases/{talking}"))
    where = f"/cases/{talking}/consent"
    old = await alice.post(where, CASE, said="yes", **fields | {"script": "2001-01"})
    assert old.status == 422
    assert "Read the new ones to the worker" in await old.text()
    for wrong in ({"contact": ""}, {"contact": "99999"}, {"contact": "x"}):
        assert (await alice.post(where, said="yes", **fields | wrong)).status == 409, wrong
    assert (await alice.post(where, said="perhaps", **fields)).status == 409
    text = await alice.text(f"/cases/{other}")
    assert "Ask in a call" in text
    assert "The worker said yes" not in text
    assert said(db) == []


# Whose call it is


@pytest.fixture
def two(db: Database, keys: Keys) -> tuple[int, int, int]:
    """Two cases of one telephone: an older one, a newer one, and the call of the newer."""
    older = a_call(db, keys, "older", ago=timedelta(days=4))
    newer = a_call(db, keys, "newer")
    assert older != newer, "two cases are needed for this to mean anything"
    return older, newer, contact_of(db, newer).id


async def test_a_call_is_joined_to_another_case_and_back(
    alice: Browser, two: tuple[int, int, int], db: Database
) -> None:
    """The choice is among the cases of this telephone; both timelines tell it, and it can be undone."""
    older, newer, contact = two
    text = await alice.text(f"/cases/{newer}")
    assert f'name="case" value="{older}"' in text
    answer = await alice.post(f"/cases/{newer}/contacts/{contact}/join", case=str(older))
    assert answer.headers["Location"] == f"/cases/{older}"
    text = await alice.text(f"/cases/{older}")
    assert "Joined by hand from case" in text
    assert "Call joined by hand" in text
    with db.read() as session:
        assert session.get_one(Contact, contact).case_id == older
        assert session.get_one(Case, newer).status is CaseStatus.CLOSED
    answer = await alice.post(f"/cases/{older}/contacts/{contact}/join/undo")
    assert answer.headers["Location"] == f"/cases/{newer}"
    assert "Joining undone" in await alice.text(f"/cases/{newer}")
    with db.read() as session:
        assert session.get_one(Contact, contact).case_id == newer
        assert session.get_one(Case, newer).status is CaseStatus.NEW


async def test_a_case_that_a_colleague_has_is_not_joined_past_her(
    alice: Browser, bob: Browser, two: tuple[int, int, int], db: Database, staff: Cast
) -> None:
    """The page says who has it, and the act is refused."""
    older, newer, contact = two
    with db.write() as session:
        work.claim(session, older, staff.bob)
    text = await alice.text(f"/cases/{newer}")
    assert re.search(rf'name="case" value="{older}" disabled', text)
    assert "Bob has it" in text
    assert (await alice.post(f"/cases/{newer}/contacts/{contact}/join", case=str(older))).status == 409
    assert (await bob.post(f"/cases/{newer}/contacts/{contact}/join", case=str(older))).status == 303


async def test_what_does_not_belong_here_is_not_joined(alice: Browser, two: tuple[int, int, int]) -> None:
    """No case chosen, a call of another case, nothing to undo."""
    older, newer, contact = two
    chosen = await alice.post(f"/cases/{newer}/contacts/{contact}/join", HTMX, case="")
    assert chosen.status == 422
    assert "Choose the case it belongs to." in await chosen.text()
    assert (await alice.post(f"/cases/{older}/contacts/{contact}/join", case=str(newer))).status == 404
    assert (await alice.post(f"/cases/{newer}/contacts/999/join", case=str(older))).status == 404
    assert (await alice.post(f"/cases/{newer}/contacts/{contact}/join/undo")).status == 409


# Only messages from this telephone


async def test_a_supervisor_limits_a_telephone_with_a_reason(
    alice: Browser, signed_in: SignIn, db: Database, staff: Cast, keys: Keys
) -> None:
    """An agent sees that it is so, and has no form; it ends by itself."""
    case_id = a_call(db, keys)
    sofia = signed_in(staff.sofia)
    assert "limit-form" not in await alice.text(f"/cases/{case_id}")
    assert (await alice.post(f"/cases/{case_id}/limit", reason="shouts")).status == 403
    empty = await sofia.post(f"/cases/{case_id}/limit", CASE, reason="")
    assert empty.status == 422
    assert "Say why." in await empty.text()
    answer = await sofia.post(f"/cases/{case_id}/limit", CASE, reason="Forty calls in an hour")
    assert "Forty calls in an hour" in await answer.text()
    assert "only messages" in await alice.text(f"/cases/{case_id}")
    with db.read() as session:
        row = session.exec(select(CallerLimit)).one()
        assert caller_limits.is_limited(session, row.caller_id, now())
    assert (await sofia.post(f"/cases/{case_id}/limit", reason="again")).status == 409


async def test_limits_are_looked_at_again(
    signed_in: SignIn, db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """Those whose time is over stand first; no number is shown; renewing and lifting are audited."""
    old, new = a_call(db, keys, "old"), a_call(db, keys, "new", number="0867654321")
    with db.write() as session:
        long_ago = now() - timedelta(days=settings.limit_days + 1)
        first = caller_limits.limit(session, old, "played a recording", staff.sofia, long_ago, settings).id
        caller_limits.limit(session, new, "shouted", staff.sofia, now(), settings)
    sofia = signed_in(staff.sofia)
    text = await sofia.text("/settings/limits")
    assert "1 to look at" in text
    assert text.index("played a recording") < text.index("shouted")
    assert DIGITS not in text.replace(" ", "")
    assert (await sofia.post(f"/settings/limits/{first}/renewal")).headers["Location"] == "/settings/limits"
    assert "to look at" not in await sofia.text("/settings/limits")
    assert (await sofia.post(f"/cases/{old}/limit/lifting")).headers["Location"] == f"/cases/{old}"
    assert "played a recording" not in await sofia.text("/settings/limits")
    assert {"caller_limited", "caller_renewed", "caller_lifted"} <= set(acts(db))
    for act in ("renewal", "lifting"):
        assert (await sofia.post(f"/settings/limits/999/{act}")).status == 404
        assert (await sofia.get(f"/settings/limits/{first}/{act}")).status == 405
        assert (await signed_in(staff.alice).post(f"/settings/limits/{first}/{act}")).status == 403


async def test_an_undo_is_offered_only_for_what_was_joined(
    alice: Browser, two: tuple[int, int, int], db: Database
) -> None:
    """A call that came by itself is not taken apart."""
    _, newer, contact = two
    assert "Joined by hand" not in await alice.text(f"/cases/{newer}")
    with db.read() as session:
        assert joining.can_undo(session, session.get_one(Contact, contact)) is None


async def test_in_a_call_what_other_cases_of_the_telephone_know_stays_in_view(
    alice: Browser, talking: int, db: Database, keys: Keys, staff: Cast
) -> None:
    """The card that rang is gone when she answers; a danger it showed is not."""
    earlier = a_call(db, keys)
    assert 'id="known"' not in await alice.text(f"/cases/{talking}"), "nothing is known yet"
    with db.write() as session:
        safety_form.set_safety(session, earlier, staff.bob, in_danger=True, cover_phrase="Clinic appointment")
    text = await alice.text(f"/cases/{talking}")
    known = text[text.index('id="known"') :]
    assert "in danger now" in known
    assert "Clinic appointment" in known
    assert 'id="known"' not in await alice.text(f"/cases/{earlier}"), "its own safety stands there already"
    with db.write() as session:
        contact = session.exec(select(Contact).where(Contact.case_id == talking)).one()
        calls.close(session, contact, now(), join_within_s=900, brief_s=10)
    assert 'id="known"' not in await alice.text(f"/cases/{talking}"), "the call is over"
