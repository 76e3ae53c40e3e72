"""A supervisor with a forkserver, for the tests: `python -m tests.support.forkserver_program DATA`; until SIGTERM."""

import signal
import sys
import threading
from pathlib import Path

from hotline.log import start_log
from hotline.settings import Settings
from ops.supervision import processes, run
from ops.supervision.forkserver import Forkserver
from ops.supervision.supervisor import Supervisor

run.PLACES[processes.TRANSCRIBER] = "tests.support.forked_process"
settings = Settings(data=Path(sys.argv[1]))
forkserver = Forkserver(settings)
start_log("supervisor")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
supervisor = Supervisor(settings, (processes.TRANSCRIBER,), forkserver=forkserver)
supervisor.start()
(settings.data / "forkserver.new").write_text(str(forkserver.pid))
(settings.data / "forkserver.new").rename(settings.data / "forkserver")
while not stop.wait(0.05):
    supervisor.watch_once()
supervisor.stop()
forkserver.close()
