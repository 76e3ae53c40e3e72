"""What the requests of the console share beyond what every site of ours has."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from aiohttp import web

from agent_console.phone.registry import Phones
from agent_console.staff.failed_sign_ins import FailedSignIns
from agent_console.staff.hashing import Hashing
from hotline.keys import Keys
from hotline.staff import known_browsers
from hotline.throttle import Throttle
from telephony.operator.operator import Operator
from web import request
from web.site import Site

BROWSER = "freeline_browser"  # the cookie that marks a browser in which somebody has signed in before


@dataclass(kw_only=True)
class Console(Site):
    """The site of the staff: with the keys, who acts on calls, and what bounds tries at passwords."""

    keys: Keys
    operator: Operator
    phones: Phones = field(default_factory=Phones)
    throttle: Throttle = field(default_factory=Throttle)
    hashing: Hashing = field(default_factory=Hashing)
    failed_sign_ins: FailedSignIns = field(default_factory=FailedSignIns)

    def known_browser(self, cookies: Mapping[str, str]) -> str:
        """Return the mark of a browser in which somebody has signed in before, else an empty text."""
        return known_browsers.mark_of(cookies.get(BROWSER, ""), self.keys.index)

    def pools(self) -> list[ThreadPoolExecutor]:
        """Return all threads of the console."""
        return [*super().pools(), self.hashing.threads]


CONSOLE = web.AppKey("console", Console)
Request = request.Request[Console]
