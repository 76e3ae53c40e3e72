"""The keys that callers press: a form that we do not hear looks like callers who press none."""

from collections.abc import Iterator

from sqlmodel import col, select

from hotline.line import languages
from hotline.settings import Settings
from models import Contact, Database, Direction
from ops.doctor.finding import Finding, ok, warn

LAST = 20
ENOUGH = 5  # of fewer it is plausible that none pressed a key


def check(settings: Settings) -> Iterator[Finding]:
    """Check in how many of the last calls through the menu a key was heard."""
    db = Database(settings.database, busy_s=2.0)
    try:
        with db.read() as session:
            to_choose = len(languages.menu(session))
            pressed = session.exec(
                select(Contact.key_at)
                .where(col(Contact.direction) == Direction.INBOUND, col(Contact.language_at).is_not(None))
                .order_by(col(Contact.arrived_at).desc())
                .limit(LAST)
            ).all()
    finally:
        db.dispose()
    if to_choose < 2 or len(pressed) < ENOUGH:
        return
    heard = sum(at is not None for at in pressed)
    if heard:
        yield ok(f"a key was heard in {heard} of the last {len(pressed)} calls through the menu")
    else:
        yield warn(
            f"no key was heard in the last {len(pressed)} calls through the menu",
            "call from a mobile phone and press one; if it is not heard, ask the carrier for RFC 4733 (telephone-event/8000)"
            " or SIP INFO; where keys come as tones in the sound, it must not offer telephone-event",
        )
