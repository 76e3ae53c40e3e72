"""What is said of calls that never became the line's: why, and what to do about it."""

from hotline.line.refused_calls import OTHER
from models import RefusedKind
from web.i18n import gettext as _


def kind_word(kind: RefusedKind) -> str:
    """Why they were refused."""
    return {
        RefusedKind.UNKNOWN_NUMBER: _("A number that is not on the list"),
        RefusedKind.FOREIGN_ADDRESS: _("An address that is not the carrier's"),
        RefusedKind.WRONG_PASSWORD: _("A wrong password"),
        RefusedKind.NO_SOUND: _("No sound that we speak"),
    }[kind]


def kind_rest(kind: RefusedKind) -> str:
    """What to do when these are calls that should have reached the line."""
    return {
        RefusedKind.UNKNOWN_NUMBER: _("If it is yours, add it as the carrier writes it. d stands for a digit."),
        RefusedKind.FOREIGN_ADDRESS: _(
            "If it is your carrier's, add it to FREELINE_TRUNK_MATCH. Others are strangers."
        ),
        RefusedKind.WRONG_PASSWORD: _("A phone with an old password, or somebody who guesses."),
        RefusedKind.NO_SOUND: _("Ask your carrier to offer G.711 (PCMA or PCMU) without encryption on every call."),
    }[kind]


def shape_word(shape: str) -> str:
    """The form of what was dialled, or the address; what was too much to tell apart is together."""
    return _("others together") if shape == OTHER else shape
