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
# These touch a file each time round, so that a hang is seen from outside.
# Asterisk gets more patience: killing it ends the calls in progress.
HEARTBEAT_S = {ASTERISK: 45.0, SWITCHBOARD: 20.0, TRANSCRIBER: 20.0, JOBS: 20.0, CONSOLE: 20.0}
# How far these stand back, as nice(1) counts, when there is more to do than the machine can: what is being said on the line
# goes first, and who calls next. Nobody waits on the phone for a job.
NICE = {SWITCHBOARD: 5, TRANSCRIBER: 5, JOBS: 10}
