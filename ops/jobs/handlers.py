"""The kinds of background work. For a new kind, write its handler in its capability, and add one line here.

Here and not in hotline, because a handler may be of any room.
"""

from collections.abc import Mapping

from hotline.jobs import audit_check
from hotline.jobs.working import Handler
from hotline.keys import Keys
from hotline.settings import Settings


def handlers(settings: Settings, keys: Keys) -> Mapping[str, Handler]:
    """Every kind with its handler. The keys open nothing: no handler may need more."""
    return {audit_check.KIND: audit_check.handler(settings.audit_anchors, keys.audit)}
