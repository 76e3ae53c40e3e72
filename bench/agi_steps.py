"""The steps of the IVR benchmark, three times: our FastAGI server, a script that Asterisk forks, and bare dialplan.

Ten steps: four variables are set, four are asked for, a tenth of a second is played, and an application is run.
`python -m bench.agi_steps PORT SOUND TIMES` serves them with our server and session, and writes TIMES, in
milliseconds, of one command while many calls are held, at the end (SIGTERM).
"""

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

from hotline.settings import Settings
from ivr.call import CallerSession, IvrServices
from ivr.scripts import SCRIPTS
from ivr.server import Server

TOKEN = "of-a-benchmark"
STEPS, HELD = "steps", "held"
Times = dict[str, list[float]]  # milliseconds
NAMES = ("ONE", "TWO", "THREE", "FOUR")
MODULES = (
    "res_speech res_agi app_playback app_exec app_queue app_read app_record func_strings func_logic func_env func_cut"
)

# pyst2 prints all it sends and reads; in its favour, none of it reaches a file.
FORKED = """#!{python}
import os, sys
from asterisk.agi import AGI

sys.stderr = open(os.devnull, "w")
agi = AGI()
for name in {names}:
    agi.set_variable(name, "value of " + name)
for name in {names}:
    agi.get_variable(name)
agi.stream_file("{sound}")
agi.appexec("NoOp", "done")
"""

# A call that failed is not hung up, so that its caller times out and the benchmark fails.
DIALPLAN = """\
[globals]
FREELINE_TOKEN = {token}
[line]
exten => bare,1,Answer()
 same => n,Set(ONE=value of ONE)
 same => n,Set(TWO=value of TWO)
 same => n,Set(THREE=value of THREE)
 same => n,Set(FOUR=value of FOUR)
 same => n,NoOp(${{ONE}})
 same => n,NoOp(${{TWO}})
 same => n,NoOp(${{THREE}})
 same => n,NoOp(${{FOUR}})
 same => n,Playback({sound})
 same => n,NoOp(done)
 same => n,Hangup()
exten => ours,1,Answer()
 same => n,AGI(agi://127.0.0.1:{port}/steps)
 same => n,ExecIf($["${{FREELINE_DONE}}" != "steps"]?Wait(300))
 same => n,Hangup()
exten => forked,1,Answer()
 same => n,AGI({script})
 same => n,ExecIf($["${{FOUR}}-${{AGISTATUS}}" != "value of FOUR-SUCCESS"]?Wait(300))
 same => n,Hangup()
exten => held,1,Answer()
 same => n,AGI(agi://127.0.0.1:{port}/held)
 same => n,Hangup()
"""


def steps(call: CallerSession, sound: Path) -> None:
    """The ten."""
    ask = call.session
    for name in NAMES:
        ask.set_variable(name, f"value of {name}")
    for name in NAMES:
        ask.get_variable(name)
    ask.stream_file(sound)
    ask.exec_("NoOp", "done")


def held(call: CallerSession, sound: Path, times: Times) -> None:
    """Hold a call as a menu does: play, then ask; and ask the same over the bare socket.

    Whoever asks first wakes everybody up, so that changes each time.
    """
    connection = call.session._connection

    def ours() -> None:
        call.session.get_variable(NAMES[0])

    def least() -> None:
        connection.sendall(b'GET VARIABLE "ONE"\n')
        connection.recv(4096)

    ways = [("ours", ours), ("least", least)]
    while True:
        call.session.stream_file(sound)
        for name, ask in ways:
            began = time.perf_counter()
            ask()
            times[name].append((time.perf_counter() - began) * 1000)
        ways.reverse()


def main(port: int, sound: Path, times: Path) -> None:
    """Serve until SIGTERM."""
    kept: Times = {"ours": [], "least": []}
    SCRIPTS[STEPS] = lambda call: steps(call, sound)
    SCRIPTS[HELD] = lambda call: held(call, sound, kept)
    settings = Settings(agi_port=port, calls_at_once=1000)
    # The steps store nothing: the store is not needed.
    nothing = cast("Any", None)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.stack_size(1024 * 1024)
    with Server(IvrServices(settings, nothing, nothing, nothing), TOKEN) as server:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        stop.wait()
        server.shutdown()
    times.write_text(json.dumps(kept))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
