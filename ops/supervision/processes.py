"""The processes of Freeline, in the order they start."""

REDIS, ASTERISK, IVR, SWITCHBOARD, TRANSCRIBER, JOBS, CONSOLE = (
    "redis",
    "asterisk",
    "ivr",
    "switchboard",
    "transcriber",
    "jobs",
    "console",
)
PROCESSES = (REDIS, ASTERISK, IVR, SWITCHBOARD, TRANSCRIBER, JOBS, CONSOLE)
# These touch a file on each pass of their loop, so that a hang is seen from outside.
# Asterisk has a longer timeout: killing it ends the calls in progress.
HEARTBEAT_S = {ASTERISK: 45.0, SWITCHBOARD: 20.0, TRANSCRIBER: 20.0, JOBS: 20.0, CONSOLE: 20.0}
# How far these yield, as nice(1) counts, when the machine is overloaded: the sound of calls goes
# first, and then new callers. Nobody waits on the phone for a job.
NICE = {SWITCHBOARD: 5, TRANSCRIBER: 5, JOBS: 10}
