from hotline.queue import routing
from hotline.queue.members import PENALTY_BACKUP, PENALTY_FIRST
from hotline.queue.routing import Route, Way
from ivr import names
from ivr.call import ANY_KEY, CallerSession
from ivr.store import DatabaseUnavailable
from models.db.types import now
from telephony.names import MAX_PENALTY, WAY, WAY_MESSAGE, WAY_QUEUE


def route(call: CallerSession) -> None:
    """Send the caller to the queue when somebody speaks the language, else to the message at once."""
    found = where_to(call)
    go(call, found)
    call.play(names.CONNECTING if found.way is Way.QUEUE else names.NOBODY, ANY_KEY)


def where_to(call: CallerSession) -> Route:
    """The route at this moment; without a database the queue, where everybody may be rung."""
    language = call.language
    try:
        return call.look(lambda db: routing.route(db, language, now(), call.settings, call.caller_id(db)))
    except DatabaseUnavailable:
        return Route(Way.QUEUE, backups_at_once=True)


def go(call: CallerSession, found: Route) -> None:
    """Set the route for the dialplan."""
    call.session.set_variable(MAX_PENALTY, str(PENALTY_BACKUP if found.backups_at_once else PENALTY_FIRST))
    call.session.set_variable(WAY, WAY_QUEUE if found.way is Way.QUEUE else WAY_MESSAGE)
