"""Sign-ins, on both databases."""

from datetime import timedelta

from hotline.staff import sign_ins
from models import Database, SignIn
from tests.support.cast import Cast


def test_a_token_opens_its_own_sign_in_until_it_ends(db: Database, staff: Cast) -> None:
    """By its hash; the empty token opens nothing."""
    with db.write() as session:
        granted = sign_ins.grant(session, staff.alice, 12)
        found = sign_ins.find(session, granted.token)
        assert found
        assert (found[0].login, found[1].csrf) == ("alice", granted.csrf)
        assert sign_ins.find(session, "") is None
        assert sign_ins.find(session, granted.token + "x") is None
        sign_ins.end(session, found[1])
        assert sign_ins.find(session, granted.token) is None


def test_that_a_browser_was_there_is_kept_to_within_minutes(db: Database, staff: Cast) -> None:
    """Not at every request: it is a write."""
    with db.write() as session:
        granted = sign_ins.grant(session, staff.alice, 12)
        row = session.get_one(SignIn, sign_ins.sha256(granted.token))
        before = row.seen_at
        sign_ins.seen(session, row)
        assert row.seen_at == before
        row.seen_at = before - sign_ins.SEEN_EVERY - timedelta(seconds=1)
        sign_ins.seen(session, row)
        assert row.seen_at >= before
