"""A run of the tests that is killed takes its stacks with it."""

import subprocess
import sys
from pathlib import Path

from hotline.settings import ROOT
from tests.support.wait import until

RUN = """
import sys
from pathlib import Path
from tests.support.stack import Whole

it = Whole(Path(sys.argv[1]))
it.db.migrate()
try:
    it.start(within_s=1)
finally:
    print(it.process.pid, flush=True)
    sys.stdin.read()
"""


def test_a_stack_ends_with_the_run_that_started_it(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "data")],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert run.stdout is not None
    stack = Path("/proc") / run.stdout.readline().strip()
    assert stack.exists()
    run.kill()
    run.wait(10)
    until(lambda: not stack.exists() or "Z" in (stack / "stat").read_text().split()[2], 60)
