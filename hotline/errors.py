"""Errors by name. A message is one or two lines: what is wrong and what to do."""


class FreelineError(Exception):
    """The base of all our errors; its text may be shown to staff and holds nothing personal."""


class SettingsWrong(FreelineError):
    """A setting is missing or makes no sense."""


class NotAllowed(FreelineError):
    """The person has no permission for this."""


class Refused(FreelineError):
    """A rule of the hotline refuses this; the text says which and why."""


class NotFound(FreelineError):
    """There is no such thing, or it may not be seen."""


class Invalid(FreelineError):
    """What was typed cannot be used. `fields` maps a field's name to what is wrong with it."""

    def __init__(self, **fields: str) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = fields


class PartMissing(FreelineError):
    """A part of the machine is not there: Asterisk, a model, a server."""
