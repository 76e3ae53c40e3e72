"""The trunk's numbers, by the forms of the last calls: whether they are read with certainty. A test call shows here."""

from collections import Counter
from collections.abc import Iterator

from sqlmodel import col, select

from hotline.numbers import HINTS, WITHHELD_FORM
from hotline.settings import Settings
from models import Contact, Database, Direction
from ops.doctor.finding import Finding, ok, warn

LAST = 20


def check(settings: Settings) -> Iterator[Finding]:
    """Count how many numbers of the last calls were certain, and show the form of the others. No number is read or shown."""
    db = Database(settings.database, busy_s=2.0)
    try:
        with db.read() as session:
            rows = session.exec(
                select(Contact.caller_id, Contact.number_form)
                .where(col(Contact.direction) == Direction.INBOUND)
                .order_by(col(Contact.arrived_at).desc())
                .limit(LAST)
            ).all()
    finally:
        db.dispose()
    if not rows:
        return
    certain = sum(caller_id is not None for caller_id, _ in rows)
    forms = Counter(form or WITHHELD_FORM for caller_id, form in rows if caller_id is None)
    withheld = forms.pop(WITHHELD_FORM, 0)
    summary = f"the last {len(rows)} calls: {certain} with a certain number, {withheld} withheld"
    if not forms:
        yield ok(summary)
        return
    yield warn(
        f"{summary}, {sum(forms.values())} not certain, and so not called back",
        "call from a mobile phone with a known number, then look again",
    )
    for form, count in forms.most_common(5):
        shape, _, hint = form.partition(" ")
        name, _, value = hint.partition("=")
        setting = f"{HINTS[name]}{f'={value}' if value else ''}" if name in HINTS else ""
        mend = f"if that is how your carrier writes numbers: {setting}" if setting else "ask the carrier what these are"
        yield warn(f"{count} of the form {shape}", mend)
