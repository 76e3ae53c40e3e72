"""Whose call it is: a call that belongs to another case of the same telephone, and taking that back."""

from agent_console.cases import page as case
from agent_console.console import Request
from hotline.cases import joining as hotline_joining
from hotline.cases.joining import Joined
from hotline.errors import Invalid, NotFound
from hotline.nudges import AGENTS_CHANGED, ALERTS_CHANGED, CALLBACKS_CHANGED, QUEUE_CHANGED, case_changed
from hotline.permissions import Permission
from models import Contact
from web.i18n import gettext as _
from web.request import Answer, Redirect, whole
from web.routes import Routes

routes = Routes()


@routes.post("/cases/{id}/contacts/{contact}/join", Permission.WORK_CASES, on_invalid=case.case)
def join(ask: Request) -> Answer:
    """Put the call where it belongs, and go there."""
    to = whole(ask.form.get("case", ""))
    if to is None:
        raise Invalid(joins=_("Choose the case it belongs to."))
    _of_this_case(ask)
    joined = hotline_joining.join_call(ask.session, ask.number("contact"), to, ask.agent)
    return _go(ask, joined, _("The call belongs to this case now. You can undo it at the call."))


@routes.post("/cases/{id}/contacts/{contact}/join/undo", Permission.WORK_CASES)
def undo(ask: Request) -> Answer:
    """Put the call back, and go there."""
    _of_this_case(ask)
    joined = hotline_joining.undo_join(ask.session, ask.number("contact"), ask.agent)
    return _go(ask, joined, _("The call is back where it was."))


def _of_this_case(ask: Request) -> None:
    contact = ask.session.get(Contact, ask.number("contact"))
    if contact is None or contact.case_id != ask.number("id"):
        raise NotFound("This call does not belong to the case.")


def _go(ask: Request, joined: Joined, said: str) -> Answer:
    ask.tell(case_changed(joined.from_id), case_changed(joined.to_id), QUEUE_CHANGED, CALLBACKS_CHANGED)
    ask.tell(AGENTS_CHANGED, ALERTS_CHANGED)
    return Redirect(f"/cases/{joined.to_id}", said=said)
