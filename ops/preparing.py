"""Prepares in the background, with retries until it is done: the line does not wait for it."""

import threading

from sqlalchemy.exc import SQLAlchemyError

from hotline.errors import FreelineError, SettingsWrong
from hotline.log import log
from hotline.settings import Settings
from ops import demo
from ops.prepare import UpgradeFailed, prepare, prepare_without_database
from ops.supervision import processes

AGAIN_S = 5.0
# These would write into tables that are not migrated.
NEED_THE_TABLES = (processes.IVR, processes.SWITCHBOARD, processes.TRANSCRIBER, processes.JOBS, processes.CONSOLE)


class Preparing(threading.Thread):
    """`tried` is set after the first attempt, `done` when all is made; `first_start` then says that demo people were made.

    Until then `why` says what it waits for, and `holds_back` names the processes that must not be started yet.
    """

    def __init__(self, settings: Settings, *, with_demo: bool, say: demo.Say, stop: threading.Event) -> None:
        super().__init__(daemon=True, name="preparing")
        self._settings, self._with_demo, self._say, self._stopping = settings, with_demo, say, stop
        self.tried, self.done = threading.Event(), threading.Event()
        self.first_start = False
        self.why = "it is still being prepared"
        self.holds_back: tuple[str, ...] = ()
        self.wrong: SettingsWrong | None = None

    def run(self) -> None:
        """Retry until it is done, or until the settings turn out to be wrong: no retry fixes those."""
        said = ""
        while not self._stopping.is_set():
            try:
                prepare(self._settings, demo=self._with_demo, say=self._say)
                self.first_start = self._with_demo and demo.people(self._settings, self._say)
            except SettingsWrong as error:
                self.wrong = error
                return
            except (FreelineError, SQLAlchemyError, OSError) as error:
                self.holds_back = NEED_THE_TABLES if isinstance(error, UpgradeFailed) else ()
                self.why = str(error) if isinstance(error, FreelineError) else _in_words(error)
                if self.why != said:
                    self._say(f"not prepared: {self.why}; it is tried again, and calls are taken meanwhile")
                    said = self.why
            except Exception as error:  # noqa: BLE001  (whatever it is, the line is not to wait for it)
                log().error("preparing failed, will be tried again", error=error)
                self.why = f"preparing fails ({type(error).__name__})"
            else:
                self.why, self.holds_back = "", ()
                self.done.set()
                return
            finally:
                self.tried.set()
            prepare_without_database(self._settings, demo=self._with_demo)
            self._stopping.wait(AGAIN_S)


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'} cannot be used ({error.strerror or type(error).__name__})"
    return f"the database refuses ({type(error).__name__}): `freeline doctor` says what to look at"
