"""The calls we owe: who may be called now, the call itself, and what came of it. Nothing here dials by itself."""

from typing import Any

from agent_console.callbacks import acts
from agent_console.callbacks import items as callback_items
from agent_console.console import Request
from hotline.callbacks import board as callback_board
from hotline.callbacks import items as callbacks
from hotline.nudges import CALLBACKS_CHANGED
from hotline.permissions import Permission
from web.request import Answer, Page, Redirect, own_path
from web.routes import Routes

routes = Routes()


@routes.get("/callbacks", Permission.CALL_BACK)
def page(ask: Request) -> Answer:
    """The whole page."""
    return Page("callbacks/page.html", owed_now(ask))


@routes.get("/callbacks/list", Permission.CALL_BACK)
def listed(ask: Request) -> Answer:
    """What is owed now."""
    return Page("callbacks/_list.html", owed_now(ask))


@routes.get("/callbacks/count", Permission.CALL_BACK)
def count(ask: Request) -> Answer:
    """How many workers may be called now, and how many call-backs are open, for the navigation."""
    due = callback_board.count_due(ask.session, ask.now, ask.site.settings, ask.agent)
    return Page("callbacks/_count.html", {"due": due, "open": callback_board.count_open(ask.session, ask.agent)})


def owed_now(ask: Request) -> dict[str, Any]:
    """What _list.html shows, each item in one place only."""
    owed = callback_items.board(ask)
    rest = [item for item in owed if not item.asks]
    supervised = [item for item in rest if item.row.for_supervisor]
    others = [item for item in rest if not item.row.for_supervisor]
    waiting = [item for item in others if item.row.refusal is not None]
    return {
        "asking": [item for item in owed if item.asks],
        "due": [item for item in others if item.row.refusal is None],
        "later": [item for item in waiting if item.row.opens_at is not None],
        "not_dialled": [item for item in waiting if item.row.opens_at is None],
        "supervised": supervised,
        "more": max(0, callback_board.count_open(ask.session, ask.agent) - len(owed)),
        "wrong_id": ask.visit.match.get("id", ""),
        **callback_items.values(ask),
    }


@routes.post("/callbacks/{id}/attempts", Permission.CALL_BACK, transaction="own")
def attempt(ask: Request) -> Answer:
    """Call the worker, from the agent's own phone."""
    callback_id = ask.number("id")
    acts.call(ask, lambda _session, _by: callback_id)
    return back(ask)


@routes.post("/callbacks/{id}/outcome", Permission.CALL_BACK)
def record_outcome(ask: Request) -> Answer:
    """Write down what came of the newest try."""
    acts.record_outcome(ask, ask.number("id"))
    return back(ask)


@routes.post("/callbacks/{id}/lock", Permission.CALL_BACK)
def take(ask: Request) -> Answer:
    """Work on it, so that nobody else calls the worker."""
    acts.tell(ask, callbacks.take(ask.session, ask.number("id"), ask.agent, ask.now).case_id)
    return back(ask)


@routes.post("/callbacks/{id}/lock/end", Permission.CALL_BACK)
def let_go(ask: Request) -> Answer:
    """Leave it to others."""
    acts.tell(ask, callbacks.let_go(ask.session, ask.number("id"), ask.agent).case_id)
    return back(ask)


def again(ask: Request) -> Answer:
    """The page once more, with what is wrong."""
    if _of_an_old_page(ask):
        return _its_case(ask)
    return Page("callbacks/_list.html" if ask.visit.in_part else "callbacks/page.html", owed_now(ask))


@routes.post("/callbacks/{id}/closing", Permission.CALL_BACK, on_invalid=again)
def close(ask: Request) -> Answer:
    """End it without a call, with the reason."""
    acts.close(ask, ask.number("id"))
    return back(ask)


def back(ask: Request) -> Answer:
    """Where the act was made: the list anew, or the page."""
    if _of_an_old_page(ask):
        return _its_case(ask)
    if ask.visit.in_part:
        return Page("callbacks/_list.html", owed_now(ask), triggers=(CALLBACKS_CHANGED,))
    return Redirect(own_path(ask.form.get("next", "")) or "/callbacks")


def _of_an_old_page(ask: Request) -> bool:
    """Whether the form stands on a case's page that was drawn before an update: those post to addresses of the case now."""
    return ask.visit.in_part and ask.visit.headers.get("HX-Target") == "case"


def _its_case(ask: Request) -> Answer:
    return Redirect(f"/cases/{callbacks.load(ask.session, ask.number('id'), ask.agent).case_id}")
