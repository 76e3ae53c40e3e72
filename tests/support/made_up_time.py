"""Run the tests as if it were another moment in another zone: FREELINE_TEST_AT=2036-02-29T23:58@Asia/Bangkok.

No test may depend on the hour, the date or the zone of the machine; `make test-any-time` shows it at five moments. The clock
goes on from there. It is this process's clock only: programs that a test starts, the times of files that are written and the
database's server stay in the present, so it is for the unit tests.
"""

import os
import time
from datetime import datetime
from zoneinfo import ZoneInfo

ahead_s = 0.0  # of the machine's own clock, which programs that a test starts still use


def travel() -> None:
    """Set the clock for the rest of this process, if a moment was asked for."""
    asked = os.environ.get("FREELINE_TEST_AT", "")
    if not asked:
        return
    import time_machine  # here: only this needs the library

    global ahead_s  # noqa: PLW0603
    moment, zone = asked.split("@")
    there = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))
    ahead_s = there.timestamp() - time.time()
    os.environ["TZ"] = zone  # for the programs that are started
    time_machine.travel(there, tick=True).start()
    touch = os.utime

    def touch_then(path: object, times: object = None, **more: object) -> None:
        """Give files that are touched now the made-up time."""
        if times is None and "ns" not in more:
            more["ns"] = (time.time_ns(), time.time_ns())
            touch(path, **more)  # type: ignore[call-overload]
        else:
            touch(path, times, **more)  # type: ignore[call-overload]

    os.utime = touch_then  # type: ignore[assignment]
