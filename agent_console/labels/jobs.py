"""What is said of background work on screen."""

from models import JobState
from web.i18n import gettext as _


def state_word(state: JobState) -> str:
    """Where it stands, in one or two words."""
    return {
        JobState.WAITING: _("waiting"),
        JobState.RUNNING: _("running"),
        JobState.DONE: _("done"),
        JobState.FAILED: _("failed"),
        JobState.CANCELLED: _("cancelled"),
    }[state]


def state_colour(state: JobState) -> str:
    """The colour of its chip; the word always stands in it."""
    return {JobState.RUNNING: "blue", JobState.DONE: "green", JobState.FAILED: "red"}.get(state, "")
