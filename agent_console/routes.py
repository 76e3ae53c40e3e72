"""The route table. Each route names its permission; a view is a plain function that runs in a thread with one session.

routes = Routes()

@routes.post("/cases/{id}/claim", Permission.WORK_CASES)
def claim(ask: Ask) -> Answer: ...
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from aiohttp import web

from agent_console.asking import Answer, Ask
from hotline.permissions import Permission

View = Callable[[Ask], Answer]


class Open(Enum):
    """Routes that need no permission, said aloud."""

    PUBLIC = "nobody needs to be signed in"
    SIGNED_IN = "everybody who is signed in"


Guarded = Permission | Open
Opens = Literal["read", "write", "nothing"]


@dataclass(frozen=True)
class Signed:
    """Who keeps a connection open: ids only."""

    agent_id: int
    token_sha256: str


Keeps = Callable[[web.Request, Signed], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """One method on one path.

    `opens` is the session that the view gets. `on_invalid` draws the form again when `Invalid` is raised.
    `new_password_first` false lets in who must first choose a new password. `proves` is the form's field with a
    password that is looked at before the view runs: `visit.proof`. `confirmed` wants one typed a few minutes ago.
    """

    method: str
    path: str
    guarded: Guarded
    view: View | None = None
    keeps: Keeps | None = None
    opens: Opens = "read"
    on_invalid: View | None = None
    new_password_first: bool = True
    proves: str = ""
    confirmed: bool = False


class Routes:
    """The routes of one module of views."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def get(
        self, path: str, guarded: Guarded, *, opens: Opens = "read", new_password_first: bool = True
    ) -> Callable[[View], View]:
        """A view that shows. One that must be audited says `opens="write"`."""

        def add(view: View) -> View:
            self.all.append(Route("GET", path, guarded, view, opens=opens, new_password_first=new_password_first))
            return view

        return add

    def post(
        self,
        path: str,
        guarded: Guarded,
        *,
        on_invalid: View | None = None,
        opens: Opens = "write",
        new_password_first: bool = True,
        proves: str = "",
        confirmed: bool = False,
    ) -> Callable[[View], View]:
        """A view that changes something. `on_invalid` is usually the view that shows the form."""

        def add(view: View) -> View:
            self.all.append(
                Route("POST", path, guarded, view, None, opens, on_invalid, new_password_first, proves, confirmed)
            )
            return view

        return add

    def keep(self, path: str, guarded: Guarded) -> Callable[[Keeps], Keeps]:
        """A connection that stays open, such as the live feed; it gets ids and runs on the event loop."""

        def add(keeps: Keeps) -> Keeps:
            self.all.append(Route("GET", path, guarded, None, keeps))
            return keeps

        return add
