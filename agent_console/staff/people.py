"""The people of the hotline: adding them, what they speak, their access and their phones."""

from agent_console.console import Request
from agent_console.staff import access_requests as requests
from agent_console.staff import mobile_values
from hotline.errors import Invalid, NotFound
from hotline.line import languages
from hotline.nudges import AGENTS_CHANGED, ALERTS_CHANGED, QUEUE_CHANGED
from hotline.permissions import Permission
from hotline.staff import access_requests, people
from models import Proficiency, Role
from web.i18n import gettext as _
from web.request import Answer, Page, Redirect, page, whole
from web.routes import Routes

routes = Routes()
SPEAKS = "speaks-"


@routes.get("/settings/people", Permission.MANAGE_PEOPLE)
def everybody(ask: Request) -> Answer:
    """All staff, and the access that waits for a second person."""
    found = {"everybody": people.everybody(ask.session)}
    return page("staff/people.html", **found | requests.waiting_now(ask))


@routes.get("/settings/people/new", Permission.MANAGE_PEOPLE)
def new(ask: Request) -> Answer:
    """The form for somebody new."""
    return page("staff/new_person.html", **_choices(ask), speaks={})


@routes.post("/settings/people", Permission.MANAGE_PEOPLE, on_invalid=new)
def add(ask: Request) -> Answer:
    """Add somebody; the first password is told once and must be changed. A supervisor or administrator waits for a second
    person.
    """
    agent, request = access_requests.add(
        ask.session,
        ask.form.get("login", ""),
        ask.form.get("name", ""),
        _role(ask),
        _speaks(ask),
        ask.agent,
        ask.site.settings,
    )
    ask.tell(AGENTS_CHANGED)
    if request is not None:
        return _waits(ask, agent.id)
    password = people.reset_password(ask.session, agent.id, by_id=ask.agent.id)
    return _person(ask, agent.id, password=password, added=True)


@routes.get("/settings/people/{id}", Permission.MANAGE_PEOPLE)
def person(ask: Request) -> Answer:
    """One person."""
    return _person(ask, ask.number("id"))


@routes.post("/settings/people/{id}", Permission.MANAGE_PEOPLE, on_invalid=person)
def change(ask: Request) -> Answer:
    """Change a person's name, role and languages. A higher role waits for a second person."""
    request = access_requests.change(
        ask.session,
        ask.number("id"),
        ask.form.get("name", ""),
        _role(ask),
        _speaks(ask),
        ask.agent,
        ask.site.settings,
    )
    ask.tell(AGENTS_CHANGED)
    return _waits(ask, ask.number("id")) if request is not None else Redirect("/settings/people", said=_("Kept."))


@routes.post("/settings/people/{id}/password", Permission.MANAGE_PEOPLE)
def password(ask: Request) -> Answer:
    """A temporary password, shown once; that of a supervisor or administrator waits for a second person."""
    told = access_requests.reset_password(ask.session, ask.number("id"), ask.agent, ask.site.settings)
    return _person(ask, ask.number("id"), password=told) if isinstance(told, str) else _waits(ask, ask.number("id"))


@routes.post("/settings/people/{id}/first-password", Permission.MANAGE_PEOPLE)
def first_password(ask: Request) -> Answer:
    """The temporary password that was asked for and is in force by now, shown once, to who asked for it."""
    request = whole(ask.form.get("request", ""))
    if request is None:
        raise NotFound("There is no such request.")
    told = access_requests.fetch_password(ask.session, request, ask.number("id"), ask.agent)
    return _person(ask, ask.number("id"), password=told)


@routes.post("/settings/people/{id}/phone", Permission.MANAGE_PEOPLE, confirmed=True)
def phone(ask: Request) -> Answer:
    """A new secret for a person's phone, shown once."""
    secret = people.new_phone_secret(ask.session, ask.number("id"), by_id=ask.agent.id)
    ask.tell(AGENTS_CHANGED)
    return _person(ask, ask.number("id"), secret=secret)


@routes.post("/settings/people/{id}/mobile", Permission.MANAGE_PEOPLE, on_invalid=person, confirmed=True)
def mobile(ask: Request) -> Answer:
    """The number on which a person is rung at home; an empty one forgets it."""
    kept = mobile_values.save(ask, ask.number("id"))
    ask.tell(AGENTS_CHANGED)
    said = _("The number is kept, sealed.") if kept else _("The number is forgotten.")
    return Redirect(f"/settings/people/{ask.number('id')}", said=said)


@routes.post("/settings/people/{id}/deactivation", Permission.MANAGE_PEOPLE)
def deactivation(ask: Request) -> Answer:
    """End a person's access."""
    people.deactivate(ask.session, ask.number("id"), by_id=ask.agent.id)
    ask.tell(AGENTS_CHANGED, QUEUE_CHANGED)
    return Redirect("/settings/people", said=_("Access ended. Open cases are with the unclaimed ones again."))


@routes.post("/settings/people/{id}/activation", Permission.MANAGE_PEOPLE)
def activation(ask: Request) -> Answer:
    """Let a person in again; a supervisor or administrator waits for a second person."""
    request = access_requests.let_in(ask.session, ask.number("id"), ask.agent, ask.site.settings)
    ask.tell(AGENTS_CHANGED)
    if request is not None:
        return _waits(ask, ask.number("id"))
    return Redirect(f"/settings/people/{ask.number('id')}", said=_("Let in again, with the old password."))


def _waits(ask: Request, agent_id: int) -> Answer:
    ask.tell(ALERTS_CHANGED)
    return Redirect(
        f"/settings/people/{agent_id}", said=_("Asked for. It is in force when a second person confirms it.")
    )


def _person(
    ask: Request, agent_id: int, *, password: str | None = None, secret: str | None = None, added: bool = False
) -> Page:
    agent = people.load(ask.session, agent_id)
    spoken = {
        row.language: row.proficiency for who, rows in people.everybody(ask.session) if who is agent for row in rows
    }
    return page(
        "staff/person.html",
        person=agent,
        speaks=spoken,
        password=password,
        secret=secret,
        added=added,
        sip_port=ask.site.settings.sip_port,
        **requests.of_person(ask, agent_id),
        **_choices(ask),
        **mobile_values.of(ask, agent),
    )


def _choices(ask: Request) -> dict[str, object]:
    """Roles, and all languages: those of the line first."""
    ours = [row.code for row in languages.spoken(ask.session)]
    others = [code for code in languages.catalogue() if code not in ours]
    return {"roles": list(Role), "ours": ours, "others": others, "proficiencies": list(Proficiency)}


def _role(ask: Request) -> Role:
    if ask.form.get("role", "") not in set(Role):
        raise Invalid(role=_("Choose a role."))
    return Role(ask.form["role"])


def _speaks(ask: Request) -> dict[str, Proficiency]:
    """What was chosen for each language of the catalogue; nothing chosen means that the person does not speak it."""
    chosen = {code: ask.form.get(SPEAKS + code, "") for code in languages.catalogue()}
    return {code: Proficiency(how) for code, how in chosen.items() if how in set(Proficiency)}
