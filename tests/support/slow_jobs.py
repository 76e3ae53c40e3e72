"""The jobs process as the supervisor runs it, with a slow check of the audit, so that it can be killed in the middle."""

import sys
import time

from hotline import audit
from hotline.jobs import working
from hotline.settings import settings
from ops.jobs.process import main

PAUSE_S = 0.2
_report = working.Progress.report


def _slowly(progress: working.Progress, done: int, total: int | None = None) -> None:
    time.sleep(PAUSE_S)
    _report(progress, done, total)


audit.AT_ONCE = 1
working.REPORT_S = 0.0
working.Progress.report = _slowly  # type: ignore[method-assign]
sys.exit(main(settings()))
