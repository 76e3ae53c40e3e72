"""The directory: numbers outside that an agent may call in, such as an interpreter. A supervisor approves each."""

from agent_console.console import Request
from agent_console.labels import agents as agent_labels
from hotline.errors import Invalid
from hotline.line import languages
from hotline.permissions import Permission
from hotline.referrals import directory as hotline_directory
from models import EntryKind
from web.i18n import gettext as _
from web.request import Answer, Page, Redirect, page
from web.routes import Routes

routes = Routes()
HERE = "/settings/directory"


@routes.get("/settings/directory", Permission.CHANGE_DIRECTORY)
def directory(ask: Request) -> Answer:
    """All entries; those switched off stand last."""
    return page(
        "line/directory.html", entries=hotline_directory.entries(ask.session, all_of_them=True), **_choices(ask)
    )


@routes.post("/settings/directory", Permission.CHANGE_DIRECTORY, on_invalid=directory)
def add(ask: Request) -> Answer:
    """Add a number; it is sealed, and never shown again unless somebody asks for it."""
    hotline_directory.add(
        ask.session,
        ask.site.keys,
        ask.agent,
        name=ask.form.get("name", ""),
        kind=_kind(ask),
        number=ask.form.get("number", ""),
        language=ask.form.get("language", "") or None,
        note=ask.form.get("note", ""),
        numbering=ask.site.settings.numbering,
    )
    return Redirect(HERE, said=_("Added. Agents can call it in from now on."))


@routes.get("/settings/directory/{id}", Permission.CHANGE_DIRECTORY)
def entry(ask: Request) -> Answer:
    """One entry as a form."""
    return page(
        "line/directory_entry.html", entry=hotline_directory.load(ask.session, ask.number("id")), **_choices(ask)
    )


@routes.post("/settings/directory/{id}", Permission.CHANGE_DIRECTORY, on_invalid=entry)
def change(ask: Request) -> Answer:
    """Change an entry; without a new number it keeps its own."""
    hotline_directory.change(
        ask.session,
        ask.site.keys,
        ask.number("id"),
        ask.agent,
        name=ask.form.get("name", ""),
        kind=_kind(ask),
        number=ask.form.get("number", ""),
        language=ask.form.get("language", "") or None,
        note=ask.form.get("note", ""),
        numbering=ask.site.settings.numbering,
    )
    return Redirect(HERE, said=_("Kept."))


@routes.post("/settings/directory/{id}/off", Permission.CHANGE_DIRECTORY)
def switch_off(ask: Request) -> Answer:
    """Nobody can call it from now on. Nothing is deleted."""
    hotline_directory.switch(ask.session, ask.number("id"), ask.agent, active=False)
    return Redirect(HERE, said=_("Switched off. Nobody can call it."))


@routes.post("/settings/directory/{id}/on", Permission.CHANGE_DIRECTORY)
def switch_on(ask: Request) -> Answer:
    """It can be called again."""
    hotline_directory.switch(ask.session, ask.number("id"), ask.agent, active=True)
    return Redirect(HERE, said=_("Switched on."))


@routes.post("/settings/directory/{id}/number", Permission.CHANGE_DIRECTORY)
def number(ask: Request) -> Answer:
    """Show the number, once, to this person; audited. It stands in the answer only, in no address and no log."""
    shown = hotline_directory.show_number(ask.session, ask.site.keys, ask.number("id"), ask.agent)
    found = hotline_directory.load(ask.session, ask.number("id"))
    if ask.visit.htmx and not ask.visit.main_only:
        return Page("line/_directory_number.html", {"entry": found, "number": shown})
    return Page("line/directory_entry.html", {"entry": found, "number": shown, **_choices(ask)})


def _choices(ask: Request) -> dict[str, object]:
    """The kinds, and the languages: those of the line first."""
    ours = [row.code for row in languages.spoken(ask.session)]
    others = [code for code in languages.catalogue() if code not in ours]
    return {"kinds": list(EntryKind), "codes": ours + others, "says": agent_labels}


def _kind(ask: Request) -> EntryKind:
    if ask.form.get("kind", "") not in set(EntryKind):
        raise Invalid(kind=_("Choose what it is."))
    return EntryKind(ask.form["kind"])
