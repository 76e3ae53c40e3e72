"""The route table. Each route names its permission; a view is a plain function that runs in a thread with one session.

routes = Routes()

@routes.post("/cases/{id}/claim", Permission.WORK_CASES)
def claim(ask: Request) -> Answer: ...
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from aiohttp import web

from hotline.permissions import Permission
from web.request import Answer, Request

View = Callable[[Request[Any]], Answer]


class Open(Enum):
    """Routes that need no permission, said aloud."""

    PUBLIC = "nobody needs to be signed in"
    SIGNED_IN = "everybody who is signed in"


Guarded = Permission | Open
Transaction = Literal["read", "write", "own"]


@dataclass(frozen=True)
class SignedIn:
    """Who keeps a connection open: ids only."""

    agent_id: int
    token_sha256: str


Stream = Callable[[web.Request, SignedIn], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """One method on one path.

    `transaction` is the session that the view gets: one to read, one to write that is committed after it, or one to read
    that the view ends itself before it asks Asterisk ("own"). `on_invalid` draws the form again when `Invalid` is raised.
    `new_password_first` false lets in a person who must first choose a new password. `proves` is the form's field with a
    password that is checked before the view runs: `visit.proof`. `confirmed` wants one typed a few minutes ago.
    """

    method: str
    path: str
    guarded: Guarded
    view: View | None = None
    stream: Stream | None = None
    transaction: Transaction = "read"
    on_invalid: View | None = None
    new_password_first: bool = True
    proves: str = ""
    confirmed: bool = False


class Routes:
    """The routes of one module of views."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def get(
        self, path: str, guarded: Guarded, *, transaction: Transaction = "read", new_password_first: bool = True
    ) -> Callable[[View], View]:
        """A view that shows. One that must be audited says `transaction="write"`."""

        def add(view: View) -> View:
            self.all.append(
                Route("GET", path, guarded, view, transaction=transaction, new_password_first=new_password_first)
            )
            return view

        return add

    def post(
        self,
        path: str,
        guarded: Guarded,
        *,
        on_invalid: View | None = None,
        transaction: Transaction = "write",
        new_password_first: bool = True,
        proves: str = "",
        confirmed: bool = False,
    ) -> Callable[[View], View]:
        """A view that changes something. `on_invalid` is usually the view that shows the form."""

        def add(view: View) -> View:
            self.all.append(
                Route("POST", path, guarded, view, None, transaction, on_invalid, new_password_first, proves, confirmed)
            )
            return view

        return add

    def stream(self, path: str, guarded: Guarded) -> Callable[[Stream], Stream]:
        """A connection that stays open, such as the live feed; it gets ids and runs on the event loop."""

        def add(stream: Stream) -> Stream:
            self.all.append(Route("GET", path, guarded, None, stream))
            return stream

        return add
