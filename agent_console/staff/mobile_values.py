"""What a page says about the mobile of somebody: never the number, only its end."""

from sqlmodel import col, func, select

from agent_console.console import Request
from hotline.staff import mobiles
from models import Agent, Shift

END = 2


def of(ask: Request, agent: Agent) -> dict[str, object]:
    """What _mobile.html needs about this person."""
    at_home = select(func.count()).select_from(Shift).where(col(Shift.agent_id) == agent.id, col(Shift.at_home))
    number = mobiles.show(ask.site.keys, agent) or ""
    return {
        "has_mobile": bool(number),
        "mobile_end": number[-END:],
        "at_home": ask.session.exec(at_home).one(),
        "rung_now": agent.id in mobiles.on_duty(ask.session, ask.now, ask.site.settings),
    }


def save(ask: Request, agent_id: int) -> bool:
    """Keep what was typed, or forget the number; True when one is kept. Raises `Invalid`, `NotFound`."""
    number = ask.form.get("mobile", "").strip()
    mobiles.set_mobile(
        ask.session,
        ask.site.keys,
        agent_id,
        number or None,
        by_id=ask.agent.id,
        numbering=ask.site.settings.numbering,
    )
    return bool(number)
