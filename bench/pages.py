"""The console's pages with a thousand and a million cases, on SQLite and on PostgreSQL.

Real requests with a signed-in session, against real console processes, one for each database and size. The alternative is
twofold, and all take turns, so that a drift of the machine's speed affects all alike:

- the same page with a thousand cases, as in the first days: the ratio is what the years add;
- the least page that aiohttp can serve (`hello`): the floor under any page of this web server, in pages a second.

The line is the same in all, a busy evening with 900 calls a day; only the past behind it differs. So the queue shows its
most (50 cases), and a desk the reader's 100, in all of them. `p50` and `p99` are of pages fetched one after another;
`pages a second` is of four visitors who fetch without a pause. Each request is timed to the last byte of the page. `CPU` is
what the console's own process spends on a page (the database's processes are apart); it does not depend on who else is busy.
"""

import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import made_up_cases, serving
from bench.figures import Target
from bench.visiting import Times, Visitor, at_once, one_after_another, point
from hotline.settings import Settings
from models import Database
from tests.support.postgres import Postgres

SIZES = (1000, 1_000_000)
ROUNDS = 3
PAGES_A_ROUND = 75
LONGEST_S = 4.0
VISITORS, AT_ONCE_S = 4, 1.0
SLOW_S = 0.5  # four of these at once would only wait for each other
WARM = 10
TARGETS = [
    Target(
        "p99 of queue and case page at 1,000,000 cases, ms",
        lambda rows: max(r["p99_ms"] for r in rows if r["page"] in {"queue", "case"} and r["cases"] == 1_000_000),
        at_most=50,
    )
]
# Any of them: a different case each time, so that no page is read twice, and words that are rare, as people look for them.
PAGES: dict[str, Callable[[int, int], str]] = {
    "queue": lambda _n, _cases: "/queue",
    "case": lambda n, cases: f"/cases/{n * 7919 % cases + 1}",
    "my desk": lambda _n, _cases: "/",
    "case list": lambda _n, _cases: "/cases",
    "reference": lambda n, cases: f"/cases?text=C-{n * 7919 % cases + 1:07d}",
    "words": lambda n, _cases: f"/cases?text=hospital+{n * 31 % 6007}",
}


@dataclass
class Site:
    """A console with so many cases, and what was measured of it, by page."""

    kind: str
    cases: int
    server: serving.Server
    cookie: str
    number: int = 0
    times: dict[str, Times] = field(default_factory=dict)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)

    def path(self, page: str) -> str:
        """The next page of this kind."""
        self.number += 1
        return PAGES[page](self.number, self.cases)


def measure(
    say: Callable[[str], None], sizes: Sequence[int] = SIZES, rounds: int = ROUNDS, pages: Sequence[str] = tuple(PAGES)
) -> list[dict[str, Any]]:
    """A row for each page, database and number of cases; and one for the least page."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = Postgres()
        stack.callback(postgres.close)
        sites = [site for size in sizes for site in stack.enter_context(_sites(folder, postgres, size, say))]
        least = serving.start_least()
        stack.callback(least.stop)
        sites.append(Site("hello", 1, least, "-"))
        gc.collect()
        gc.freeze()  # the garbage collector must not delay the visitor
        asyncio.run(_visit(sites, rounds, pages, say))
        return _rows(sites, pages)


@contextmanager
def _sites(folder: Path, postgres: Postgres, cases: int, say: Callable[[str], None]) -> Iterator[list[Site]]:
    """A console on each database, with so many cases."""
    at, timezone = made_up_cases.evening()
    data = {kind: folder / f"{kind}-{cases}" for kind in ("SQLite", "PostgreSQL")}
    for place in data.values():
        place.mkdir()
    urls = {"SQLite": Settings(data=data["SQLite"]).database, "PostgreSQL": postgres.create(f"cases_{cases}")}
    databases = {kind: Database(url) for kind, url in urls.items()}
    for database in databases.values():
        database.migrate()
    began = time.monotonic()
    made_up_cases.fill(list(databases.values()), cases, at, say)
    say(f"{cases:,} cases in two databases, made up in {time.monotonic() - began:.0f} s")
    sites: list[Site] = []
    try:
        for kind, database in databases.items():
            server = serving.start_console(data[kind], database_url=urls[kind], timezone=timezone)
            sites.append(Site(kind, cases, server, ""))
            sites[-1].cookie = serving.sign_in(database)[0]
            database.dispose()
        yield sites
    finally:
        for site in sites:
            site.server.stop()


async def _visit(sites: Sequence[Site], rounds: int, pages: Sequence[str], say: Callable[[str], None]) -> None:
    for page in pages:
        for site in sites:
            site.times[page] = Times()
        for number in range(rounds + 1):
            say(f"{page}: round {number} of {rounds}" if number else f"{page}: first visits, not counted")
            # Who goes first changes from round to round.
            for site in sites if number % 2 else reversed(sites):
                await _round(site, page, WARM if number == 0 else PAGES_A_ROUND, counted=number > 0)


async def _round(site: Site, page: str, pages: int, *, counted: bool) -> None:
    visitors = [Visitor(site.server.port, site.cookie) for _ in range(VISITORS)]
    before = serving.cpu_s(site.server.process.pid)
    times = await one_after_another(visitors[0], [site.path(page) for _ in range(pages)], LONGEST_S)
    if counted:
        spent = serving.cpu_s(site.server.process.pid) - before
        site.cpu_ms.setdefault(page, []).append(spent / len(times) * 1000)
        site.times[page].rounds.append(times)
        slow = statistics.median(times) > SLOW_S
        per_s = 1 / statistics.median(times) if slow else await at_once(visitors, lambda _n: site.path(page), AT_ONCE_S)
        site.times[page].per_s.append(per_s)
    for visitor in visitors:
        await visitor.close()


def _rows(sites: Sequence[Site], pages: Sequence[str]) -> list[dict[str, Any]]:
    hello, rows = sites[-1], []
    for page in pages:
        for kind in ("SQLite", "PostgreSQL"):
            of_kind = [site for site in sites if site.kind == kind]
            rows += [_row(page, site, of_kind[0], hello) for site in of_kind]
        # Its own times say how quiet the machine was.
        rows.append(_row(page, hello, hello, hello))
    return rows


def _row(page: str, site: Site, base: Site, hello: Site) -> dict[str, Any]:
    """One page at one size, beside the same at the least size and beside the least page."""
    mine, few, least = site.times[page], base.times[page], hello.times[page]
    p99 = [point(sorted(times), 0.99) * 1000 for times in mine.rounds]
    slower = [statistics.median(a) / statistics.median(b) for a, b in zip(mine.rounds, few.rounds, strict=True)]
    share = [a / b for a, b in zip(mine.per_s, least.per_s, strict=True)]
    return {
        "page": page,
        "database": site.kind,
        "cases": site.cases,
        "fetched": len(mine.all),
        "p50_ms": round(point(mine.all, 0.5) * 1000, 1),
        "p99_ms": round(point(mine.all, 0.99) * 1000, 1),
        "p99_ms_of_rounds": [round(min(p99), 1), round(max(p99), 1)],
        "cpu_ms": round(statistics.median(site.cpu_ms[page]), 2),
        "ratio_to_few": round(statistics.median(slower), 2),
        "ratio_to_few_spread": [round(min(slower), 2), round(max(slower), 2)],
        "per_s": round(statistics.median(mine.per_s), 1),
        "per_s_spread": [round(min(mine.per_s), 1), round(max(mine.per_s), 1)],
        "hello_per_s": round(statistics.median(least.per_s), 1),
        "ratio_to_hello": round(statistics.median(share), 4),
        "ratio_to_hello_spread": [round(min(share), 4), round(max(share), 4)],
    }


def show(rows: list[dict[str, Any]]) -> Table:
    """How long a page takes, and how many a second."""
    table = Table(
        title="Pages of the console, beside the same with few cases and beside the least page of the web server"
    )
    times = ("p50 ms", "p99 ms (rounds)", "CPU ms")
    for heading in ("page", "database", "cases", *times, "x few cases", "pages/s (min-max)", "of hello"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row["page"],
            row["database"],
            f"{row['cases']:,}",
            f"{row['p50_ms']:.1f}",
            "{:.1f} ({:.0f}-{:.0f})".format(row["p99_ms"], *row["p99_ms_of_rounds"]),
            f"{row['cpu_ms']:.1f}",
            "{:.2f} ({:.2f}-{:.2f})".format(row["ratio_to_few"], *row["ratio_to_few_spread"]),
            "{:.1f} ({:.0f}-{:.0f})".format(row["per_s"], *row["per_s_spread"]),
            f"{row['ratio_to_hello']:.1%}",
        )
    return table
