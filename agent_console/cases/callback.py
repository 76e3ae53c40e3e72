"""Calling back, beside a case: the same acts as on the page of call-backs, and the case is drawn anew after each."""

from agent_console.callbacks import acts
from agent_console.cases import page as case
from agent_console.console import Request
from hotline.callbacks import items as callbacks
from hotline.errors import NotFound
from hotline.permissions import Permission
from models.db.types import now
from web.request import Answer
from web.routes import Routes

routes = Routes()


@routes.post("/cases/{id}/callback", Permission.CALL_BACK, transaction="own")
def call(ask: Request) -> Answer:
    """Call the worker of a case; a call-back that was not on the list is put there with it."""
    case_id = ask.number("id")
    acts.call(ask, lambda session, by: callbacks.open_for_case(session, case_id, by, now()).id)
    return case.back(ask, case_id)


@routes.post("/cases/{id}/callback/listing", Permission.CALL_BACK)
def list_it(ask: Request) -> Answer:
    """Put a call-back on the list, to be made later."""
    acts.tell(ask, callbacks.open_for_case(ask.session, ask.number("id"), ask.agent, ask.now).case_id)
    return case.back(ask, ask.number("id"))


@routes.post("/cases/{id}/callbacks/{callback}/attempts", Permission.CALL_BACK, transaction="own")
def attempt(ask: Request) -> Answer:
    """Call the worker, from the agent's own phone."""
    callback_id = _of_this_case(ask)
    acts.call(ask, lambda _session, _by: callback_id)
    return case.back(ask, ask.number("id"))


@routes.post("/cases/{id}/callbacks/{callback}/outcome", Permission.CALL_BACK)
def record_outcome(ask: Request) -> Answer:
    """Write down what came of the newest attempt, also of a call-back that was moved to another case meanwhile."""
    acts.record_outcome(ask, ask.number("callback"))
    return case.back(ask, ask.number("id"))


@routes.post("/cases/{id}/callbacks/{callback}/closing", Permission.CALL_BACK, on_invalid=case.case)
def close(ask: Request) -> Answer:
    """End it without a call, with the reason."""
    acts.close(ask, _of_this_case(ask))
    return case.back(ask, ask.number("id"))


def _of_this_case(ask: Request) -> int:
    """The call-back in the path. Raises `NotFound` for one of another case."""
    item = callbacks.load(ask.session, ask.number("callback"), ask.agent)
    if item.case_id != ask.number("id"):
        raise NotFound("There is no such call-back.")
    return item.id
