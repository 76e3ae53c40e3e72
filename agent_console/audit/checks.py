"""The check of the whole chain: asked for, followed while it runs, cancelled, and what the last ones found."""

from typing import Any

from agent_console.audit.wrong_chain import wrong
from agent_console.console import Request
from agent_console.labels import jobs as labels
from hotline import audit
from hotline.errors import NotFound
from hotline.jobs import audit_check, items
from hotline.nudges import JOBS_CHANGED, job_changed
from hotline.permissions import Permission
from models import Agent, Job, JobState
from web.i18n import gettext as _
from web.request import Answer, Redirect, page
from web.routes import Routes

routes = Routes()
SHOWN = 30


@routes.get("/audit/checks", Permission.SEE_AUDIT)
def checks(ask: Request) -> Answer:
    """The panel alone for a page that follows it; else a page with the last checks as well."""
    if ask.visit.htmx and not ask.visit.main_only:
        return page("audit/_whole.html", **panel(ask))
    return page("audit/checks.html", **panel(ask), recent=items.recent(ask.session, audit_check.KIND, SHOWN))


@routes.post("/audit/checks", Permission.SEE_AUDIT)
def check(ask: Request) -> Answer:
    """Ask for a check; while there is one that one goes on."""
    audit_check.ask(ask.session, ask.agent)
    ask.tell(JOBS_CHANGED)
    return Redirect("/audit", said=_("The whole chain is being checked. You can leave this page meanwhile."))


@routes.post("/audit/checks/{id}/cancellation", Permission.SEE_AUDIT)
def cancel(ask: Request) -> Answer:
    """Stop a check. That it was stopped, and by whom, is part of the chain."""
    job = ask.session.get(Job, ask.number("id"))
    if job is None or job.kind != audit_check.KIND:
        raise NotFound("There is no such check.")
    items.cancel(ask.session, job.id)
    audit.note_act(ask.session, "chain_check_stopped", f"job:{job.id}", by_id=ask.agent.id)
    ask.tell(JOBS_CHANGED, job_changed(job.id))
    return Redirect("/audit", said=_("The check was stopped."))


def panel(ask: Request) -> dict[str, Any]:
    """What the panel shows: the newest check, the last one that found something out, and how to say it."""
    newest = items.newest(ask.session, audit_check.KIND)
    done = items.newest(ask.session, audit_check.KIND, JobState.DONE)
    return {
        "check": newest,
        "check_open": newest is not None and newest.state in items.OPEN,
        "last": done,
        "found": found,
        "labels": labels,
        "who_asked": lambda job: _who(ask, job),
    }


def found(job: Job) -> tuple[int, str]:
    """Of a check that is done: how many entries it looked at, and what is wrong in a sentence; '' when nothing is."""
    verdict = audit_check.verdict_of(job)
    return verdict.checked, wrong(verdict)


def _who(ask: Request, job: Job) -> str:
    agent = ask.session.get(Agent, job.asked_by_id) if job.asked_by_id is not None else None
    return agent.name if agent is not None else _("the machine")
