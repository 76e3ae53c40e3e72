"""The languages of the line and the keys that choose them."""

from agent_console.console import Request
from hotline.audit import note_act
from hotline.errors import Invalid
from hotline.line import languages
from hotline.line.languages import KEYS, Place
from hotline.nudges import MENU_CHANGED, PROMPTS_CHANGED
from hotline.permissions import Permission
from hotline.staff import states as agents
from web.i18n import gettext as _
from web.request import Answer, Redirect, page, whole
from web.routes import Routes
from web.templating import language

LAST_POSITION = 999
routes = Routes()


@routes.get("/settings/menu", Permission.MANAGE_LINE)
def menu(ask: Request) -> Answer:
    """The menu as a caller hears it."""
    spoken = languages.spoken(ask.session)
    speakers: dict[str, int] = {}
    backups: dict[str, int] = {}
    for speaker in agents.speakers(ask.session):
        count = backups if speaker.backup else speakers
        count[speaker.language] = count.get(speaker.language, 0) + 1
    known = languages.catalogue()
    return page(
        "line/menu.html",
        spoken=spoken,
        speakers=speakers,
        backups=backups,
        voiceless={code for code, row in known.items() if row.voice is None},
        others=[
            (code, f"{language(code)} {row.endonym}")
            for code, row in known.items()
            if code not in {row.code for row in spoken}
        ],
        keys=list(KEYS),
        no_key=next((row.code for row in spoken if row.for_no_key), ""),
    )


@routes.post("/settings/menu", Permission.MANAGE_LINE, on_invalid=menu)
def arrange(ask: Request) -> Answer:
    """Keep keys, order and what is heard without a key."""
    places, wrong = {}, {}
    for row in languages.spoken(ask.session):
        position = whole(ask.form.get(f"position-{row.code}", "").strip(), LAST_POSITION)
        if position is None:
            wrong[row.code] = _("The order is a number.")
            continue
        places[row.code] = Place(ask.form.get(f"key-{row.code}", "") or None, position)
    if wrong:
        raise Invalid(**wrong)
    languages.set_menu(ask.session, places, ask.form.get("for_no_key", ""))
    _changed(ask, "menu")
    return Redirect("/settings/menu", said=_("The menu is changed. Callers hear it from the next call on."))


@routes.post("/settings/menu/languages", Permission.MANAGE_LINE, on_invalid=menu)
def add(ask: Request) -> Answer:
    """Add a language of the catalogue, with the next free key."""
    code = ask.form.get("language", "")
    if code not in languages.catalogue():
        raise Invalid(language=_("Choose a language."))
    spoken = languages.spoken(ask.session)
    taken = {row.key for row in spoken}
    key = next((k for k in KEYS if k not in taken), None)
    languages.put_language(
        ask.session,
        code,
        key=key,
        position=max((row.position for row in spoken), default=0) + 1,
        is_for_no_key=not spoken,
    )
    _changed(ask, code)
    if key is None:
        return Redirect("/settings/menu", said=_("Added. All nine keys are taken: it is not in the menu yet."))
    return Redirect("/settings/menu", said=_("Added, with the next free key."))


@routes.post("/settings/menu/languages/{code}/removal", Permission.MANAGE_LINE)
def remove(ask: Request) -> Answer:
    """Take a language off the line."""
    languages.remove_language(ask.session, ask.visit.match["code"])
    _changed(ask, ask.visit.match["code"])
    return Redirect("/settings/menu", said=_("Taken off the line."))


def _changed(ask: Request, what: str) -> None:
    note_act(ask.session, "menu_changed", f"language:{what}"[:64], by_id=ask.agent.id)
    ask.tell(MENU_CHANGED, PROMPTS_CHANGED)
