"""A process that ends when the one that started it does, however that ends."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when the thread that started it is gone. `parent` is the process that should be it.

    Killed, not asked: one that hangs or is stopped would stay and hold the ports of the next start. It makes system calls
    only, so that it may run between fork and exec.
    """
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
