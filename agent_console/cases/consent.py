"""What the worker of a case agrees to. It is asked in the worker's language, in the conversation itself."""

from agent_console.asterisk_limit import ACTS, turn
from agent_console.cases import page as case
from agent_console.console import Request
from hotline import scope
from hotline.cases import consents
from hotline.errors import Refused
from hotline.nudges import AGENTS_CHANGED
from hotline.permissions import Permission
from models import Agent, ConsentPurpose
from telephony.operator.operator import LineFailed
from web.i18n import gettext as _
from web.request import Answer, whole
from web.routes import Routes

routes = Routes()
RECORDING = ConsentPurpose.RECORDING


@routes.post("/cases/{id}/consent", Permission.WORK_CASES, transaction="own", on_invalid=case.case)
def say(ask: Request) -> Answer:
    """The worker said yes or no to the words that were read in this call, or takes it back."""
    what, case_id = ask.form.get("said", ""), ask.number("id")
    if what not in {"yes", "no", "withdraw"}:
        raise Refused(_("Choose what the worker said."))
    scope.case(ask.session, ask.agent, case_id)
    agent_id, form = ask.agent.id, ask.form
    ask.session.close()
    with ask.site.database.write() as session:
        by = session.get_one(Agent, agent_id)
        runs = consents.recorded_now(session, case_id)
        if what == "withdraw":
            consents.withdraw(session, case_id, RECORDING, by)
        else:
            keep = consents.give if what == "yes" else consents.refuse
            keep(session, case_id, _call(ask), RECORDING, by, form.get("language", ""), form.get("script", ""))
    ask.tell(AGENTS_CHANGED)
    case.tell(ask, case_id)
    if what != "yes":
        _stop(ask, runs)
    said = {
        "yes": _("Kept: the worker agreed."),
        "no": _("Kept: the worker said no."),
        "withdraw": _("Kept: the worker took it back."),
    }
    return case.done(ask, case_id, said[what])


def _call(ask: Request) -> int:
    found = whole(ask.form.get("contact", ""))
    if found is None:
        raise Refused(_("The worker can only be asked in a call."))
    return found


def _stop(ask: Request, calls: list[str]) -> None:
    """Stop the recorders. What the worker said is stored before, whatever the line answers."""
    failed = False
    for call in calls:
        try:
            with turn(ACTS):
                ask.site.operator.stop_recording(call)
        except LineFailed:
            failed = True
    if failed:
        ask.site.nudges.tell(*ask.told)
        raise Refused(_("Kept. But the recorder did not stop: end the call. What it recorded is destroyed unheard."))
