"""The page of one case, and what is done on it."""

from typing import Any

from agent_console.cases import panels, readings
from agent_console.cases.waveform import bars, width
from agent_console.console import Request
from agent_console.labels import cases as case_labels
from agent_console.labels.hours import days
from agent_console.labels.timeline import told
from hotline import scope
from hotline.alerts.dangers import ACT_WITHIN
from hotline.cases import drafts, identity, work
from hotline.cases import page as case_page
from hotline.cases import title as case_title
from hotline.cases.next_steps import first_action_due
from hotline.cases.title import CaseTitle
from hotline.errors import Invalid
from hotline.intake import safety_form
from hotline.nudges import ALERTS_CHANGED, QUEUE_CHANGED, case_changed
from hotline.permissions import Permission
from hotline.safety import hours
from models import CallbackSafety, CaseStatus, Disposition, Safety
from web.i18n import gettext as _
from web.request import Answer, Page, Redirect, whole
from web.routes import Routes

routes = Routes()
YES_NO: dict[str, bool | None] = {"yes": True, "no": False, "": None}


def draw(
    ask: Request, case_id: int, part: str = "_case", *, editing: str = "", changed: bool = False, **more: Any
) -> Page:
    """The case: the whole page, or the part that htmx asked for. `changed` has the page fetch the rest of itself."""
    readings.note(ask, case_id)
    shown = case_page.read(ask.session, case_id, ask.agent)
    window = hours.read(shown.safety.window)
    template = f"cases/{part}.html" if ask.visit.in_part else "cases/page.html"
    values = {
        "shown": shown,
        "case": shown.case,
        "words": case_labels,
        "told": told,
        "days": days(),
        "editing": editing,
        "untitled": untitled(case_title.read(ask.session, case_id, ask.agent)),
        "due": shown.danger.at + ACT_WITHIN if shown.danger is not None else first_action_due(shown.case),
        "window": window,
        "chosen_days": [hours.DAYS[d] for d in window.days] if window else [],
        "was": reviewed(shown.safety),
        "undescribed": next((c for c in shown.calls if c.contact.ended_at and not c.contact.disposition), None),
        "unsure": case_page.UNSURE,
        "bars": bars,
        "wave_width": width(),
        "number": None,
        "draft": drafts.read(ask.session, case_id, ask.agent),
    }
    values |= panels.values(ask, shown)
    triggers = (case_changed(case_id),) if changed else ()
    return Page(template, values | more, triggers=triggers)


def draw_title(ask: Request, case_id: int, *, editing: str = "", changed: bool = False) -> Page:
    """The title, or the form for it; within a whole page the case around it."""
    if not ask.visit.in_part:
        return draw(ask, case_id, editing=editing, changed=changed)
    readings.note(ask, case_id)
    shown = case_title.read(ask.session, case_id, ask.agent)
    values = {"case": shown.case, "editing": editing, "untitled": untitled(shown)}
    return Page("cases/_title.html", values, triggers=(case_changed(case_id),) if changed else ())


def untitled(shown: CaseTitle) -> str:
    """What stands in for a title that nobody has given yet."""
    return case_labels.untitled(shown.newest, needs_listener=shown.needs_listener)


def done(ask: Request, case_id: int, said: str = "") -> Answer:
    """After an act: the case anew for htmx, else back to its page. Everybody who looks at it is told."""
    tell(ask, case_id)
    return back(ask, case_id, said)


def back(ask: Request, case_id: int, said: str = "") -> Answer:
    """The case anew for htmx, else a way to its page."""
    return draw(ask, case_id) if ask.visit.in_part else Redirect(f"/cases/{case_id}", said)


def tell(ask: Request, case_id: int) -> None:
    """Nudge whoever shows this case or the queue."""
    ask.tell(case_changed(case_id), QUEUE_CHANGED)


@routes.get("/cases/{id}", Permission.WORK_CASES)
def case(ask: Request) -> Answer:
    """The case's page, and the piece of it that is fetched anew when something changed."""
    return draw(ask, ask.number("id"))


@routes.post("/cases/{id}/release", Permission.WORK_CASES)
def release(ask: Request) -> Answer:
    """Put the case back to the unclaimed ones."""
    work.release(ask.session, ask.number("id"), ask.agent)
    return done(ask, ask.number("id"), _("The case is with the unclaimed ones again."))


@routes.post("/cases/{id}/handover", Permission.WORK_CASES, on_invalid=case)
def handover(ask: Request) -> Answer:
    """Give the case to a colleague."""
    to = whole(ask.form.get("to", ""))
    if to is None:
        raise Invalid(to=_("Choose a colleague who works cases."))
    work.hand_over(ask.session, ask.number("id"), to, ask.agent)
    return done(ask, ask.number("id"), _("Handed over."))


@routes.post("/cases/{id}/status", Permission.WORK_CASES, on_invalid=case)
def status(ask: Request) -> Answer:
    """Move the case on."""
    wanted = ask.form.get("status", "")
    if wanted not in set(CaseStatus):
        raise Invalid(status=_("Choose where the case goes."))
    work.move(ask.session, ask.number("id"), CaseStatus(wanted), ask.agent, ask.form.get("reason", ""))
    ask.tell(ALERTS_CHANGED)
    return done(ask, ask.number("id"))


@routes.get("/cases/{id}/summary", Permission.WORK_CASES)
def summary_form(ask: Request) -> Answer:
    """The title as a form."""
    return draw_title(ask, ask.number("id"), editing="summary")


@routes.post("/cases/{id}/summary", Permission.WORK_CASES, on_invalid=summary_form)
def summary(ask: Request) -> Answer:
    """Say in a line what the case is about."""
    case_id = ask.number("id")
    if ask.form.get("was", "") != scope.case(ask.session, ask.agent, case_id).summary:
        raise Invalid(summary=_("Somebody else changed the title a moment ago. Look at it, then save yours again."))
    work.summarise(ask.session, case_id, ask.form.get("summary", ""), ask.agent)
    tell(ask, case_id)
    return draw_title(ask, case_id, changed=True) if ask.visit.in_part else Redirect(f"/cases/{case_id}")


@routes.get("/cases/{id}/title", Permission.WORK_CASES)
def title(ask: Request) -> Answer:
    """The title as it is, when the form is left."""
    return draw_title(ask, ask.number("id"))


@routes.get("/cases/{id}/safety", Permission.WORK_CASES)
def safety(ask: Request) -> Answer:
    """What is known about safety, when the form is left."""
    return draw(ask, ask.number("id"), "_safety")


@routes.get("/cases/{id}/safety/form", Permission.WORK_CASES)
def safety_as_form(ask: Request) -> Answer:
    """Safety as a form."""
    return draw(ask, ask.number("id"), "_safety", editing="safety")


@routes.post("/cases/{id}/safety", Permission.WORK_CASES, on_invalid=safety_as_form)
def set_safety(ask: Request) -> Answer:
    """Keep what was asked."""
    case_id = ask.number("id")
    values = _safety_typed(ask)
    kept = ask.session.get(Safety, case_id)
    if ask.form.get("was", "") != reviewed(kept):
        raise Invalid(was=_("Somebody else reviewed this a moment ago. Look at it, then save yours again."))
    safety_form.set_safety(ask.session, case_id, ask.agent, **values)
    ask.tell(ALERTS_CHANGED)
    tell(ask, case_id)
    return draw(ask, case_id, "_safety", changed=True) if ask.visit.in_part else Redirect(f"/cases/{case_id}")


def reviewed(kept: Safety | None) -> str:
    """What tells one review from the next, for a form that may be stale."""
    return kept.reviewed_at.isoformat() if kept is not None and kept.reviewed_at else ""


def _safety_typed(ask: Request) -> dict[str, object]:
    """The form as values. Raises `Invalid` for what no form of ours sends, and for half a window."""
    form = ask.form
    near, phrase = form.get("near", "").strip(), form.get("cover_phrase", "").strip()
    wrong: dict[str, str] = {}
    if len(near) > 120:
        wrong["near"] = _("Keep it under 120 characters.")
    if len(phrase) > 200:
        wrong["cover_phrase"] = _("Keep it under 200 characters.")
    try:
        window = hours.from_form(
            form.get("window_from", ""), form.get("window_until", ""), ask.visit.lists.get("day", [])
        )
    except Invalid as error:
        wrong |= error.fields
        window = None
    for name, known in _closed().items():
        if form.get(name, "") not in known:
            wrong[name] = _("Choose one of these.")
    if wrong:
        raise Invalid(**wrong)
    return {
        "in_danger": YES_NO[form.get("in_danger", "")],
        "can_talk": YES_NO[form.get("can_talk", "")],
        "near": near or None,
        "phone_owner": form.get("phone_owner", "") or None,
        "callback": CallbackSafety(form.get("callback", CallbackSafety.UNKNOWN)),
        "window": str(window) if window else None,
        "message": form.get("message", "") or None,
        "cover_phrase": phrase or None,
        "if_drops": form.get("if_drops", "") or None,
    }


def _closed() -> dict[str, set[str]]:
    return {
        "in_danger": set(YES_NO),
        "can_talk": set(YES_NO),
        "phone_owner": {"", *case_labels.phone_owners()},
        "callback": set(CallbackSafety),
        "message": {"", *case_labels.messages()},
        "if_drops": {"", *case_labels.drops()},
    }


@routes.get("/cases/{id}/worker", Permission.WORK_CASES)
def worker(ask: Request) -> Answer:
    """What is known about the worker, when the form is left."""
    return draw(ask, ask.number("id"), "_worker")


@routes.get("/cases/{id}/worker/form", Permission.WORK_CASES)
def worker_form(ask: Request) -> Answer:
    """The worker as a form."""
    return draw(ask, ask.number("id"), "_worker", editing="worker")


@routes.post("/cases/{id}/worker", Permission.WORK_CASES, on_invalid=worker_form)
def set_worker(ask: Request) -> Answer:
    """Store what we call the worker and how many are concerned."""
    case_id, typed = ask.number("id"), ask.form.get("workers_affected", "").strip()
    many = whole(typed)
    if typed and many is None:
        raise Invalid(workers_affected=_("Give a number of people, or leave it empty."))
    work.describe_worker(
        ask.session,
        case_id,
        ask.agent,
        alias=ask.form.get("alias", ""),
        workers_affected=many,
        workers_estimated="workers_estimated" in ask.form,
    )
    tell(ask, case_id)
    return draw(ask, case_id, "_worker", changed=True) if ask.visit.in_part else Redirect(f"/cases/{case_id}")


@routes.get("/cases/{id}/notes", Permission.WORK_CASES)
def note_form(ask: Request) -> Answer:
    """An empty note."""
    return draw(ask, ask.number("id"), "_note_form")


@routes.post("/cases/{id}/notes", Permission.WORK_CASES, on_invalid=note_form)
def note(ask: Request) -> Answer:
    """Write a note."""
    case_id = ask.number("id")
    work.add_note(ask.session, case_id, ask.form.get("text", ""), ask.agent)
    drafts.throw_away(ask.session, case_id, ask.agent)
    tell(ask, case_id)
    return draw(ask, case_id, "_note_form", changed=True) if ask.visit.in_part else Redirect(f"/cases/{case_id}#notes")


@routes.post("/cases/{id}/contacts/{contact}/disposition", Permission.WORK_CASES, on_invalid=case)
def disposition(ask: Request) -> Answer:
    """Say what a call was."""
    said = ask.form.get("disposition", "")
    if said not in set(Disposition):
        raise Invalid(disposition=_("Choose what the call was."))
    work.dispose(ask.session, ask.number("id"), ask.number("contact"), Disposition(said), ask.agent)
    ask.tell(ALERTS_CHANGED)
    return done(ask, ask.number("id"))


@routes.post("/cases/{id}/number", Permission.SEE_NUMBER)
def number(ask: Request) -> Answer:
    """Show the caller's number, once, to this person; audited. It stands in the answer only, in no address and no log."""
    shown = identity.show_number(ask.session, ask.site.keys, ask.number("id"), ask.agent, ask.site.settings)
    ask.tell(case_changed(ask.number("id")), ALERTS_CHANGED)
    return draw(ask, ask.number("id"), "_number", number=shown)
