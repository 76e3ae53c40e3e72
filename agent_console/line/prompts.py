"""The words that callers hear, by language: the text in the tree, or the organisation's own."""

from agent_console.console import Request
from hotline.errors import NotFound
from hotline.line import languages, prompt_texts
from hotline.nudges import PROMPTS_CHANGED
from hotline.permissions import Permission
from web.i18n import gettext as _
from web.request import Answer, Redirect, page
from web.routes import Routes

routes = Routes()


@routes.get("/settings/wording", Permission.MANAGE_LINE)
def first(ask: Request) -> Answer:
    """The words of the first language."""
    spoken = languages.spoken(ask.session)
    return Redirect(f"/settings/wording/{spoken[0].code if spoken else 'en'}")


@routes.get("/settings/wording/{language}", Permission.MANAGE_LINE)
def wording(ask: Request) -> Answer:
    """All announcements in a language."""
    code = ask.visit.match["language"]
    if code not in languages.catalogue():
        raise NotFound("There is no such language.")
    spoken = ask.site.settings.own_prompts / code
    recorded = {path.stem for path in spoken.glob("*.wav")} if spoken.is_dir() else set()
    return page(
        "line/prompts.html",
        code=code,
        spoken=[row.code for row in languages.spoken(ask.session)],
        prompts=prompt_texts.prompts(),
        titles=titles(),
        built_in=prompt_texts.built_in().get(code, {}),
        english=prompt_texts.built_in().get("en", {}),
        own=prompt_texts.own(ask.session, code),
        recorded=recorded,
        voice=languages.catalogue()[code].voice,
        wrong=ask.visit.match.get("prompt"),
    )


@routes.post("/settings/wording/{language}/{prompt}", Permission.MANAGE_LINE, on_invalid=wording)
def change(ask: Request) -> Answer:
    """Keep own words, or go back to the text in the tree when they are empty."""
    code, prompt = ask.visit.match["language"], ask.visit.match["prompt"]
    if code not in languages.catalogue():
        raise NotFound("There is no such language.")
    text = "" if "back" in ask.form else ask.form.get("text", "")
    prompt_texts.put(ask.session, code, prompt, text, by_id=ask.agent.id)
    ask.tell(PROMPTS_CHANGED)
    said = _("Kept. It is spoken from the next call on.") if text.strip() else _("Back to the built-in words.")
    return Redirect(f"/settings/wording/{code}#{prompt}", said=said)


def titles() -> dict[str, str]:
    """What each announcement is for."""
    return {
        "opening": _("Opening, before the menu"),
        "quiet": _("For somebody who cannot speak"),
        "invite": _("The invitation in the menu"),
        "again": _("A caller we know: go on in their language"),
        "wrong_key": _("After a key that means nothing"),
        "connecting": _("Before the queue"),
        "comfort": _("While waiting"),
        "offer": _("While waiting: call-back or message"),
        "nobody": _("Nobody who speaks it is there"),
        "message_terms": _("Before the tone: recorded, who hears it, how long"),
        "safe_to_call": _("Is it safe to call back?"),
        "callback_noted": _("The call-back is noted"),
        "number_withheld": _("The number is hidden: no call-back"),
        "thanks": _("After the message"),
        "cannot_record": _("When nothing can be recorded"),
        "goodbye": _("Goodbye"),
        "line_busy": _("Too many calls at once"),
        "please_hold": _("The agent's line broke: the agent is brought back"),
        "mobile_call": _("To an agent whose mobile rings: press 1"),
    }
