"""What is wrong with the chain of the audit, as people say it."""

from hotline.audit import Trouble, Verdict
from web.i18n import gettext as _


def wrong(verdict: Verdict) -> str:
    """What is wrong with the chain, in a sentence; '' when nothing is."""
    words = {
        Trouble.CHANGED: _("Broken at entry %(id)s: something was changed or removed"),
        Trouble.UNKEYED: _("Entry %(id)s was written without our key"),
        Trouble.CUT: _("The end is missing: there were entries up to %(id)s"),
        Trouble.REPLACED: _("Entry %(id)s is not the one that stood there"),
        Trouble.ANCHOR_FORGED: _("What is written down outside the database was changed, at entry %(id)s"),
        Trouble.ANCHORS_GONE: _("What is written down outside the database is gone"),
    }
    return words[verdict.trouble] % {"id": verdict.entry_id} if verdict.trouble is not None else ""
