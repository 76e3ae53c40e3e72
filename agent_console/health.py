"""Whether the console is alive, for the supervisor and for load balancers."""

from agent_console.console import Request
from web.request import Answer, Bytes
from web.routes import Open, Routes

routes = Routes()


@routes.get("/alive", Open.PUBLIC, transaction="own")
def alive(ask: Request) -> Answer:
    """200 when the database answers; else the guard against its errors says 503."""
    ask.site.database.ping()
    return Bytes(b"alive\n", "text/plain")
