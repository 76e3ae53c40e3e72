"""Numbers of other countries and of special rates: refused when they are typed, and again when they are dialled."""

from dataclasses import replace

import pytest
from sqlmodel import select

from hotline.callbacks import attempts as callback_attempts
from hotline.callbacks.attempts import DialRefused
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.errors import Invalid, Refused
from hotline.keys import Keys
from hotline.referrals import directory
from hotline.safety.gate import Reason
from hotline.settings import Settings
from hotline.staff import mobiles
from models import AuditEntry, CallbackAttempt, Caller, Case, Contact, Database, EntryKind
from tests.support.cast import Cast
from tests.support.thailand import THAI, saw
from tests.unit.hotline.callbacks.test_callback_attempts import AT, owed

STRICT = THAI
ALLOWS = replace(STRICT, dial_countries=("LA",), dial_prefixes=("+661900",))
SHELTER = {"name": "The shelter", "kind": EntryKind.SHELTER}


@pytest.mark.parametrize(
    ("number", "word"), [("+856 20 5551 2345", "another country"), ("1900 123 456", "special rate")]
)
def test_a_barred_number_is_refused_with_the_reason_and_dialled_only_while_it_is_allowed(
    db: Database, staff: Cast, keys: Keys, number: str, word: str
) -> None:
    alice = staff.alice.id
    with db.write() as s:
        with pytest.raises(Invalid, match=word):
            mobiles.set_mobile(s, keys, alice, number, by_id=None, numbering=STRICT)
        with pytest.raises(Invalid, match=word):
            directory.add(s, keys, staff.sofia, **SHELTER, number=number, numbering=STRICT)  # type: ignore[arg-type]
        mobiles.set_mobile(s, keys, alice, number, by_id=None, numbering=ALLOWS)
        entry = directory.add(s, keys, staff.sofia, **SHELTER, number=number, numbering=ALLOWS)  # type: ignore[arg-type]
        assert list(mobiles.numbers(s, keys, [alice], ALLOWS)) == [alice]
        assert mobiles.numbers(s, keys, [alice], STRICT) == {}
        assert directory.number_to_call(s, keys, entry.id, staff.alice, ALLOWS)
        with pytest.raises(Refused, match=word):
            directory.number_to_call(s, keys, entry.id, staff.alice, STRICT)


def test_a_call_back_to_another_country_waits_for_the_setting(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff, number="+8562055512345")
        with pytest.raises(DialRefused) as caught:
            o.begin()
        assert caught.value.refusal.code is Reason.NUMBER_BARRED
        assert s.exec(select(CallbackAttempt)).all() == []
        assert "called_back" not in [entry.act for entry in s.exec(select(AuditEntry))]
        o.settings = settings.model_copy(update={"dial_countries": "LA"})
        assert o.begin()[1] == "+8562055512345"


@pytest.mark.parametrize(
    "kept", ["+668562055512345", "+5512345678", "0000000000", "266696687", "8562055512345", "1506"]
)
def test_a_number_that_was_kept_by_guessing_is_not_dialled(
    db: Database, staff: Cast, keys: Keys, settings: Settings, kept: str
) -> None:
    """Rows of a Freeline that guessed: what it made of the carriers' forms is in the database."""
    with db.write() as s:
        o = owed(s, keys, settings.model_copy(update={"dial_countries": "BR,LA"}), staff)
        caller = s.get_one(Caller, o.item.caller_id)
        caller.number_sealed, caller.certain = keys.seal(kept.encode()), False
        s.add(caller)
        with pytest.raises(DialRefused) as caught:
            o.begin()
        assert caught.value.refusal.code is Reason.NUMBER_DOUBTFUL
        assert kept.lstrip("+") not in str(caught.value)


def test_a_telephone_that_calls_again_is_certain_again(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    abroad = settings.model_copy(update={"dial_countries": "LA"})
    with db.write() as s:
        o = owed(s, keys, abroad, staff, number="+8562055512345")
        caller = s.get_one(Caller, o.item.caller_id)
        caller.certain = False
        s.add(caller)
        with pytest.raises(DialRefused):
            o.begin()
        saw(s, keys, "again", Fact.ARRIVED, AT, Seen(number="+8562055512345"))
        assert caller.certain


@pytest.mark.parametrize(
    "sent", ["anonymous", "0000000000", "266696687", "Restricted", "0085512345678", "8562055512345"]
)
def test_two_who_hide_their_number_are_never_one_person(
    db: Database, staff: Cast, keys: Keys, settings: Settings, sent: str
) -> None:
    with db.write() as s:
        for name in ("one", "two"):
            contact = saw(s, keys, name, Fact.ARRIVED, AT, Seen(number=sent), settings.numbering)
            saw(s, keys, name, Fact.KEY, AT, Seen(language="my"))
            calls.close(s, contact, AT, join_within_s=900, brief_s=0)
        assert s.exec(select(Caller)).all() == []
        assert len(s.exec(select(Case)).all()) == 2
        assert all(c.number_form and "855" not in c.number_form for c in s.exec(select(Contact)))


def test_the_refusal_of_a_number_is_audited_without_it(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff, number="+8562055512345")
        with pytest.raises(DialRefused) as caught:
            o.begin()
        callback_attempts.note_refusal(s, caught.value, staff.alice)
        [entry] = [e for e in s.exec(select(AuditEntry)) if e.act == "call_back_refused"]
        assert entry.detail["reason"] == "number_barred"
        assert "55512345" not in str(entry.detail)
