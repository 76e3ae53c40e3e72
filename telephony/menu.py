"""The menu as the dialplan knows it, so that Asterisk alone can play it and route its keys."""

from sqlmodel import Session, col, select

from hotline import languages
from hotline.settings import Settings
from models import Line
from telephony import names

INVITATION = "invite"


def menu_globals(session: Session, settings: Settings) -> dict[str, str]:
    """The dialplan's globals by name, as telephony.render writes them; a key that chooses nothing is empty."""
    menu = languages.menu(session)
    keys = {language.key: language.code for language in menu}
    return {
        **{f"{names.KEY_PREFIX}{key}": keys.get(key, "") for key in languages.KEYS},
        names.MENU: "&".join(str(settings.sounds / language.code / INVITATION) for language in menu),
        names.NO_KEY: languages.for_no_key(session),
        names.LINES: ",".join(session.exec(select(Line.number).order_by(col(Line.number)))),
    }
