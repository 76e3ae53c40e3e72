"""The menu as the dialplan knows it, so that Asterisk alone can play it and route its keys."""

from sqlmodel import Session, col, select

from hotline.line import languages
from hotline.settings import Settings
from models import Line
from telephony import names

INVITATION = "invite"


def menu_globals(session: Session, settings: Settings) -> dict[str, str]:
    """The dialplan's globals by name, as telephony.asterisk.render writes them; a key that chooses nothing is empty."""
    lines = ",".join(session.exec(select(Line.number).order_by(col(Line.number))))
    keys = {language.key or "": language.code for language in languages.menu(session)}
    return _globals(settings, keys) | {names.NO_KEY: languages.for_no_key(session), names.LINES: lines}


def first_globals(settings: Settings) -> dict[str, str]:
    """The same for a line whose database was never read: of the first menu, the languages whose invitation is built."""
    keys = {
        str(key): code
        for key, code in enumerate(languages.first_menu(demo=True), start=1)
        if (settings.sounds / code / f"{INVITATION}.sln").is_file()
    }
    return _globals(settings, keys) if keys else {}


def _globals(settings: Settings, keys: dict[str, str]) -> dict[str, str]:
    """`keys` are languages by key, in the order they are spoken."""
    return {
        **{f"{names.KEY_PREFIX}{key}": keys.get(key, "") for key in languages.KEYS},
        names.MENU: "&".join(str(settings.sounds / code / INVITATION) for code in keys.values()),
    }
