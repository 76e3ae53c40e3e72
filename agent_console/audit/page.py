"""What was done and looked at, and whether the record is whole."""

from agent_console.alerts import views as alerts_view
from agent_console.audit import checks
from agent_console.audit.wrong_chain import wrong
from agent_console.console import Request
from hotline import audit as hotline_audit
from hotline import audit_anchors
from hotline.alerts import alerts
from hotline.cases import reading
from hotline.permissions import Permission
from hotline.staff import people
from web.i18n import gettext as _
from web.request import Answer, page, whole
from web.routes import Routes

routes = Routes()
PAGE = 100
CHECKED = 1000  # a page must not take longer with every year


@routes.get("/audit", Permission.SEE_AUDIT)
def audit(ask: Request) -> Answer:
    """The newest entries, those about `subject` or `by` one person when asked; the alerts stand before them."""
    before_id = whole(ask.query.get("before", ""))
    subject, by_id = ask.query.get("subject", "")[:64], whole(ask.query.get("by", ""))
    if by_id is not None:
        entries = reading.acts_of(ask.session, by_id, PAGE, before_id)
    else:
        entries = hotline_audit.newest(ask.session, PAGE, before_id, subject or None)
    first = before_id is None and by_id is None and not subject
    return page(
        "audit/page.html",
        entries=entries,
        more=entries[-1].id if len(entries) == PAGE else None,
        names={agent.id: agent.name for agent, _speaks in people.everybody(ask.session)},
        subject=subject,
        by_id=by_id,
        act_word=act_word,
        checked=False,
        first=first,
        **checks.panel(ask),
        standing=alerts_view.shown(ask, alerts.open_alerts(ask.session)) if first else [],
        noted=alerts_view.shown(ask, alerts.recent(ask.session)) if first else [],
    )


@routes.get("/audit/chain", Permission.SEE_AUDIT)
def chain(ask: Request) -> Answer:
    """Whether the newest entries fit each other, the key and what is written down outside; the doctor reads all."""
    verdict = _verdict(ask)
    template = "audit/_chain.html" if ask.visit.htmx and not ask.visit.main_only else "audit/chain.html"
    return page(
        template,
        verdict=verdict,
        wrong=wrong(verdict),
        checked=True,
    )


def _verdict(ask: Request) -> hotline_audit.Verdict:
    path, key = ask.site.settings.audit_anchors, ask.site.keys.audit
    try:
        anchors = audit_anchors.read(path, key, all_of_it=False)
    except OSError:
        anchors = audit_anchors.Anchors(forged=0)
    return hotline_audit.verify(ask.session, anchors, CHECKED)


def act_word(act: str) -> str:
    """An act as people say it."""
    known = {
        "signed_in": _("signed in"),
        "signed_out": _("signed out"),
        "sign_in_failed": _("failed sign-ins"),
        "audio_heard": _("heard a recording"),
        "audio_erased": _("audio deleted, its time was over"),
        "number_shown": _("saw a caller's number"),
        "case_read": _("looked at a case of others"),
        "case_claimed": _("took a case"),
        "alert_raised": _("was shown an unusual amount"),
        "alert_noted": _("took note of an alert"),
        "danger_raised": _("wrote down that a worker is in danger"),
        "danger_taken": _("took a worker's danger, as a supervisor"),
        "access_asked": _("asked for more access"),
        "access_confirmed": _("confirmed access, as the second person"),
        "access_waited": _("access in force after its wait"),
        "access_refused": _("refused access"),
        "access_withdrawn": _("took a request for access back"),
        "access_lapsed": _("a request for access lapsed"),
        "safety_changed": _("reviewed safety"),
        "person_added": _("added a person"),
        "person_changed": _("changed a person"),
        "role_changed": _("changed a role"),
        "person_deactivated": _("ended a person's access"),
        "person_activated": _("let a person in again"),
        "password_set": _("set a password"),
        "phone_secret_made": _("made a phone secret"),
        "menu_changed": _("changed the languages"),
        "line_added": _("added a line"),
        "line_changed": _("changed a line"),
        "line_removed": _("removed a line"),
        "wording_changed": _("changed an announcement"),
        "wording_removed": _("went back to a built-in announcement"),
        "roster_changed": _("changed the roster"),
        "callback_opened": _("put a call-back on the list"),
        "called_back": _("called a worker back"),
        "call_back_refused": _("tried to call a worker back, and a rule refused"),
        "call_back_said": _("said what came of a call-back"),
        "callback_closed": _("closed a call-back"),
        "directory_added": _("added a number to the directory"),
        "directory_changed": _("changed the directory"),
        "directory_switched_on": _("switched a number on in the directory"),
        "directory_switched_off": _("switched a number off in the directory"),
        "directory_called": _("called a number of the directory"),
        "directory_number_shown": _("saw a number of the directory"),
        "caller_limited": _("limited a telephone to messages"),
        "caller_renewed": _("renewed a telephone's limit"),
        "caller_lifted": _("lifted a telephone's limit"),
        "consent_given": _("kept that a worker agreed"),
        "consent_withdrawn": _("kept that a worker did not agree, or took it back"),
        "call_joined": _("joined a call to another case"),
        "call_join_undone": _("undid the joining of a call"),
        "mobile_set": _("set somebody's mobile"),
        "mobile_removed": _("removed somebody's mobile"),
        "chain_checked": _("checked the whole chain"),
        "chain_check_stopped": _("stopped a check of the whole chain"),
        "emergency": _("called a supervisor into a call"),
    }
    return known.get(act, act.replace("_", " "))
