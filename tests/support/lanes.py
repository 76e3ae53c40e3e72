"""Scheduling of the waiting lane of ops/check.sh (`-p tests.support.lanes --dist loadscope --no-loadscope-reorder`).

A module goes to one worker, because its tests share parts that would otherwise be started anew; the tests of a module that
shares nothing are scheduled one by one. The longest come first, so that no worker is left with one at the end.
"""

from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

SHARE_NOTHING = ("e2e/test_faults.py", "e2e/test_backup_and_restore.py", "telephony/test_asterisk_start.py")


def unit_of(nodeid: str) -> str:
    """The unit that goes to one worker: the module of a test, or the test itself."""
    module = nodeid.partition("::")[0]
    return nodeid if module.endswith(SHARE_NOTHING) else module


class ByModule(LoadScopeScheduling):
    """Schedules by `unit_of`, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByModule:
    """For pytest-xdist."""
    return ByModule(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take a minute first, then the modules, the larger ones first, then the single tests."""
    sizes = Counter(unit_of(item.nodeid) for item in items)
    items.sort(key=lambda item: (item.get_closest_marker("first") is None, -sizes[unit_of(item.nodeid)]))
