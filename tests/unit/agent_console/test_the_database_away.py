"""A database that is full, locked or gone is said on the page, and the next click is answered again."""

from contextlib import ExitStack

import psycopg
import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy.exc import OperationalError

from agent_console.console import CONSOLE
from models import Database
from tests.support.browsers import Browser
from tests.support.cast import Cast
from tests.support.databases import away, on_postgresql
from tests.support.postgres import Postgres

SAID = "The database does not answer. Nothing was changed. Try again."


async def test_a_database_that_is_gone_is_said_and_the_same_console_goes_on(
    alice: Browser, server: TestServer, db: Database
) -> None:
    assert (await alice.get("/queue")).status == 200
    with away(db):
        server.app[CONSOLE].database.dispose()  # type: ignore[union-attr]
        for path in ("/queue", "/live"):
            answer = await alice.get(path)
            assert answer.status == 503, path
            assert SAID in await answer.text()
        assert (await alice.post("/state", status="ready")).status == 503
    assert (await alice.get("/queue")).status == 200


@on_postgresql
async def test_connections_that_a_restart_broke_are_replaced_before_they_are_used(
    alice: Browser, postgres: Postgres, db: Database
) -> None:
    assert (await alice.get("/queue")).status == 200
    with db.engine.connect() as one:
        own = db.engine.url.database
        with psycopg.connect(postgres.url("postgres").replace("+psycopg", ""), autocommit=True) as administrator:
            administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (own,))
        one.invalidate()
    assert (await alice.get("/queue")).status == 200


@on_postgresql
async def test_a_server_without_a_free_connection_is_said(
    alice: Browser, server: TestServer, postgres: Postgres
) -> None:
    console = server.app[CONSOLE]  # type: ignore[index]
    console.database.dispose()
    with ExitStack() as others:
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            for _ in range(100):
                others.enter_context(psycopg.connect(postgres.url("postgres").replace("+psycopg", "")))
        answer = await alice.get("/queue")
        assert (answer.status, SAID in await answer.text()) == (503, True)
    assert (await alice.get("/queue")).status == 200


@on_postgresql
async def test_a_process_opens_no_more_connections_than_it_may(db: Database, staff: Cast) -> None:
    few = Database(db.url, busy_s=0.2, connections=2)
    with ExitStack() as open_now:
        for _ in range(2):
            open_now.enter_context(few.engine.connect())
        with pytest.raises(Exception, match="QueuePool limit") as refused, few.read() as session:
            session.connection()
        assert not isinstance(refused.value, OperationalError)
    few.ping()
    few.dispose()
