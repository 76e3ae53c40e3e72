"""The settings: where a person with this role begins."""

from agent_console.console import Request
from hotline.errors import NotAllowed
from hotline.permissions import Permission
from web.request import Answer, Redirect
from web.routes import Open, Routes

routes = Routes()
FIRST = {
    Permission.MANAGE_PEOPLE: "/settings/people",
    Permission.MANAGE_LINE: "/settings/menu",
    Permission.SEE_AUDIT: "/audit",
}


@routes.get("/settings", Open.SIGNED_IN)
def settings(ask: Request) -> Answer:
    """To the first settings page that the reader may see."""
    for permission, where in FIRST.items():
        if ask.may(permission):
            return Redirect(where)
    raise NotAllowed("Your role does not allow this. Ask a supervisor.")
