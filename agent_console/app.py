"""The console's web server: what it is made of, and running it until it is told to stop."""

import asyncio
import contextlib
import gc
import importlib
import pkgutil
import signal

from aiohttp import web
from sqlalchemy.orm import configure_mappers

import agent_console
from agent_console import page_templates
from agent_console.asterisk_limit import LineBusy
from agent_console.cases import readings
from agent_console.console import CONSOLE, Console
from agent_console.phone import heartbeat as page_heartbeat
from agent_console.phone import mobile_sync, sip_proxy
from agent_console.staff import anchoring, passwords, sign_in_log, waiting_access
from hotline.cases.reading import Held
from hotline.heartbeat import Heartbeat
from hotline.keys import load_keys
from hotline.log import log, start_log
from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Database
from telephony.operator.operator import Operator
from web import admission, dispatch, live_feed, middleware, moved
from web import connections as door
from web.routes import Route, Routes
from web.site import SITE

BEAT_S = 5
# To be taken out with the version after the first.
MOVED = {
    "/callbacks/{id}/dial": "/callbacks/{id}/attempts",
    "/callbacks/{id}/said": "/callbacks/{id}/outcome",
    "/recordings/{id}/try": "/recordings/{id}/retries",
    "/phone/here": "/phone/heartbeat",
}


def all_routes() -> list[Route]:
    """The whole route table: what each module of this room has as its `routes`."""
    found: list[Routes] = [live_feed.routes]
    for module in pkgutil.walk_packages(agent_console.__path__, "agent_console."):
        routes = getattr(importlib.import_module(module.name), "routes", None)
        if isinstance(routes, Routes) and not any(routes is other for other in found):
            found.append(routes)
    return [route for routes in found for route in routes.all]


def make_app(settings: Settings) -> web.Application:
    """The console as aiohttp runs it. Raises `PartMissing` when the keys were never made."""
    app = web.Application(middlewares=[middleware.say_what_went_wrong, admission.admit])
    keys = load_keys(settings.keys, may_open=True)
    app[CONSOLE] = console = Console(
        settings=settings,
        database=Database(settings.database, connections=settings.database_connections, audit_key=keys.audit),
        keys=keys,
        nudges=Nudges(settings.redis),
        templates=page_templates.make_templates(settings.zone),
        operator=Operator(settings),
        notices={"bar": "#bar-said", "call-card": "#bar-said"},
    )
    app[SITE] = console
    hooks = dispatch.Hooks(
        prove=lambda run, route, visit: passwords.check(console, run, route, visit),
        refusals={
            Held: lambda visit, held: readings.held(console, visit, held),
            LineBusy: lambda visit, busy: dispatch.refusal(console, visit, 409 if visit.htmx else 503, str(busy)),
        },
    )
    for route in all_routes():
        if route.method == "GET" and route.stream is None:
            app.router.add_get(route.path, dispatch.handler(route, hooks))
        else:
            app.router.add_route(route.method, route.path, dispatch.handler(route, hooks))
    moved.add(app, MOVED)
    app.router.add_static("/static/", page_templates.STATIC)
    app[live_feed.FEED] = live_feed.Feed()
    app.on_response_prepare.append(middleware.add_headers)
    app.on_shutdown.append(live_feed.let_go)
    app.on_shutdown.append(sip_proxy.let_go)
    app.cleanup_ctx.extend(
        (
            live_feed.listen,
            live_feed.run_beat,
            page_heartbeat.beat,
            sip_proxy.reach,
            mobile_sync.run,
            anchoring.run,
            sign_in_log.run,
            waiting_access.run,
        )
    )

    async def close(_app: web.Application) -> None:
        console.close_threads()
        console.operator.close()
        console.database.dispose()

    app.on_cleanup.append(close)
    return app


def main(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    start_log("console")
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(make_app(settings), access_log=None, shutdown_timeout=3.0)
    await runner.setup()
    server = runner.server
    if server is None:
        raise RuntimeError("the runner is set up")
    async with contextlib.AsyncExitStack() as until_the_end:
        until_the_end.push_async_callback(runner.cleanup)
        try:
            await until_the_end.enter_async_context(
                door.opened(server, settings.console_host, settings.console_port, one_front=settings.behind_proxy)
            )
        except OSError as error:
            log().error("the console's port cannot be opened", port=settings.console_port, error=error)
            return 1
        _settle(runner)
        with contextlib.suppress(OSError, TimeoutError):  # tried again with the first phone
            await runner.app[sip_proxy.CARRIER].begin()
        log().info("the console serves", host=settings.console_host, port=settings.console_port)
        beating = asyncio.create_task(_beat(Heartbeat(settings, "console")))
        await stop.wait()
        beating.cancel()
    return 0


def _settle(runner: web.AppRunner) -> None:
    """Freeze the objects loaded at start (templates, tables, routes), so that full garbage collections do not stall pages
    for a tenth of a second each.
    """
    templates = runner.app[CONSOLE].templates
    for name in templates.list_templates():
        templates.get_template(name)
    configure_mappers()
    gc.collect()
    gc.freeze()


async def _beat(heartbeat: Heartbeat) -> None:
    """Beat while the event loop turns, so that the supervisor sees a hang."""
    while True:
        heartbeat.beat()
        await asyncio.sleep(BEAT_S)
