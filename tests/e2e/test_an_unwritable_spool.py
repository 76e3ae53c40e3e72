"""A spool that takes nothing: the caller is told so before the tone, and the call counts as failed, not as given up."""

import subprocess

import pytest

from models import Case, Contact, Outcome
from tests.support.callers import leave_message
from tests.support.databases import on_sqlite
from tests.support.stack import Whole
from tests.support.wait import until


@on_sqlite
@pytest.mark.timeout(240)
def test_with_the_spool_read_only_a_call_is_failed_and_its_number_is_kept(quick: Whole) -> None:
    """A whole stack, for ivr, database and spool have to disagree for real."""
    spool = str(quick.settings.spool)
    subprocess.run(["mount", "--bind", spool, spool], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", spool], check=True)
        story = leave_message(quick, "0812345678", tone_within_s=40)
        assert story.answered
        assert not story.tone, "nobody speaks in vain"

        def ended() -> Contact | None:
            return next((contact for contact in quick.contacts() if contact.ended_at), None)

        contact = until(ended, 60, 0.2)
        assert contact.outcome is Outcome.FAILED
        assert contact.caller_id is not None
        with quick.db.read() as session:
            assert session.get_one(Case, contact.case_id).caller_id == contact.caller_id
        assert len(quick.contacts()) == 1
    finally:
        subprocess.run(["umount", "-l", spool], check=False, stderr=subprocess.DEVNULL)
