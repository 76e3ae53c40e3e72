"""Keeps the sounds in sync with the menu and the wordings while the line is open."""

import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from hotline.errors import PartMissing
from hotline.log import log
from hotline.nudges import MENU_CHANGED, PROMPTS_CHANGED, Nudges
from hotline.settings import Settings
from ivr.prompts.builder import build_from
from models import Database

LOOK_EVERY_S = 60.0
WITHOUT_NUDGES_S = 15.0
NUDGE_WAIT_S = 1.0
CHANGES = {MENU_CHANGED, PROMPTS_CHANGED}


class PromptRebuilder:
    """A thread that builds changed sounds: at the start, on a nudge and each minute."""

    def __init__(self, settings: Settings, db: Database, nudges: Nudges, stop: threading.Event) -> None:
        self._settings, self._db, self._nudges, self._stop = settings, db, nudges, stop
        self._wanted = threading.Event()
        self._wanted.set()
        self._threads = [self._thread(self._build_when_wanted, "prompts"), self._thread(self._listen, "prompt-nudges")]

    def start(self) -> None:
        """Start the threads; they end with the process or when `stop` is set."""
        for thread in self._threads:
            thread.start()

    def _thread(self, run: Callable[[], None], name: str) -> threading.Thread:
        return threading.Thread(target=run, name=name, daemon=True)

    def _listen(self) -> None:
        while not self._stop.is_set():
            for name in self._nudges.hear(NUDGE_WAIT_S):
                if self._stop.is_set():
                    return
                if name in CHANGES:
                    self._wanted.set()
            self._stop.wait(WITHOUT_NUDGES_S)

    def _build_when_wanted(self) -> None:
        while not self._stop.is_set():
            self._wanted.wait(LOOK_EVERY_S)
            self._wanted.clear()
            if self._stop.is_set():
                return
            try:
                built = build_from(self._settings, self._db)
                if built.made:
                    log().info("prompts built", sounds=built.made, problems=len(built.problems))
                    # Asterisk's own menu names the existing invitations.
                    self._nudges.tell(PROMPTS_CHANGED)
            except (SQLAlchemyError, PartMissing, OSError) as error:
                log().error("the prompts could not be built", error=error)

    def wake(self) -> None:
        """Let the threads see that `stop` is set."""
        self._wanted.set()
