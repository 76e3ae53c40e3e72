"""Sign-ins and their throttle, on both databases."""

from datetime import timedelta

import pytest
from sqlmodel import select

from hotline import sign_ins
from models import Database, SignIn, SignInAttempt
from models.types import now
from tests.cast import Cast

KEY = b"k" * 32


def test_a_token_opens_its_own_sign_in_until_it_ends(db: Database, staff: Cast) -> None:
    """By its hash; the empty token opens nothing."""
    with db.write() as session:
        granted = sign_ins.grant(session, staff.alice, "alice", "10.0.0.1", KEY, 12)
        found = sign_ins.find(session, granted.token)
        assert found
        assert (found[0].login, found[1].csrf) == ("alice", granted.csrf)
        assert sign_ins.find(session, "") is None
        assert sign_ins.find(session, granted.token + "x") is None
        sign_ins.end(session, found[1])
        assert sign_ins.find(session, granted.token) is None


def test_the_wait_counts_down_from_the_oldest_failure(db: Database, staff: Cast) -> None:
    """When it leaves the window there is one more try."""
    start = now() - timedelta(minutes=10)
    with db.write() as session:
        for minute in range(sign_ins.TRIES):
            sign_ins.begin(session, "alice", "10.0.0.1", KEY, at=start + timedelta(minutes=minute))
    with db.write() as session, pytest.raises(sign_ins.TooMany) as refused:
        sign_ins.begin(session, "Alice ", "10.0.0.1", KEY, at=start + timedelta(minutes=10))
    assert refused.value.wait_s == 5 * 60
    with db.write() as session:
        sign_ins.begin(session, "alice", "10.0.0.1", KEY, at=start + timedelta(minutes=15, seconds=1))


def test_guesses_at_one_name_from_many_addresses_are_slowed_too(db: Database, staff: Cast) -> None:
    """But one address alone is stopped long before it could lock her out everywhere."""
    assert sign_ins.TRIES * (sign_ins.LONG_WINDOW / sign_ins.WINDOW) < sign_ins.TRIES_LOGIN
    start = now()
    with db.write() as session:
        for n in range(sign_ins.TRIES_LOGIN):
            sign_ins.begin(session, "alice", f"10.0.1.{n}", KEY, at=start)
    with db.write() as session, pytest.raises(sign_ins.TooMany) as refused:
        sign_ins.begin(session, "alice", "10.0.2.1", KEY, at=start + timedelta(minutes=20))
    assert refused.value.wait_s == 40 * 60
    with db.write() as session:
        sign_ins.begin(session, "bob", "10.0.2.1", KEY, at=start + timedelta(minutes=20))


def test_a_good_sign_in_forgets_her_failures_here_and_of_others_only_itself(db: Database, staff: Cast) -> None:
    """Else one good password would hide many guesses at other names."""
    with db.write() as session:
        for login, address in (
            ("bob", "10.0.0.1"),
            ("alice", "10.0.0.9"),
            ("alice", "10.0.0.1"),
            ("alice", "10.0.0.1"),
        ):
            sign_ins.begin(session, login, address, KEY)
        sign_ins.grant(session, staff.alice, "alice", "10.0.0.1", KEY, 12)
        left = [a.who for a in session.exec(select(SignInAttempt))]
    here = [sign_ins._address("10.0.0.1", KEY)] * 2 + [sign_ins._pair("bob", "10.0.0.1", KEY)]
    elsewhere = [sign_ins._address("10.0.0.9", KEY), sign_ins._pair("alice", "10.0.0.9", KEY)]
    names = [sign_ins._login("alice", KEY)] * 2 + [sign_ins._login("bob", KEY)]
    assert sorted(left) == sorted(here + elsewhere + names)


def test_that_a_browser_was_there_is_kept_to_within_minutes(db: Database, staff: Cast) -> None:
    """Not at every request: it is a write."""
    with db.write() as session:
        granted = sign_ins.grant(session, staff.alice, "alice", "10.0.0.1", KEY, 12)
        row = session.get_one(SignIn, sign_ins.sha256(granted.token))
        before = row.seen_at
        sign_ins.seen(session, row)
        assert row.seen_at == before
        row.seen_at = before - sign_ins.SEEN_EVERY - timedelta(seconds=1)
        sign_ins.seen(session, row)
        assert row.seen_at >= before
