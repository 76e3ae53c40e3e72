"""What stands beside a case: warnings, calling back, consent, other cases of the telephone, whether it is limited."""

from dataclasses import dataclass
from typing import Any

from agent_console.callbacks import items as callback_items
from agent_console.console import Request
from hotline.calls import caller_limits, screen_pop
from hotline.cases import consents, joining
from hotline.cases.consents import Script
from hotline.cases.page import CasePage
from models import CaseStatus, Consent, ConsentPurpose, Contact


@dataclass(frozen=True)
class Agreed:
    """What the worker said about being recorded. `call` is the conversation in which they can be asked now, if any."""

    said: Consent | None
    script: Script
    call: Contact | None

    @property
    def in_this_call(self) -> bool:
        """Whether the worker was asked in the conversation that goes on."""
        return self.call is not None and self.said is not None and self.said.contact_id == self.call.id


def values(ask: Request, shown: CasePage) -> dict[str, Any]:
    """The values of these panels, for the template of a case."""
    case = shown.case
    contacts = [call.contact for call in shown.calls]
    newest = next((c for c in contacts if c.caller_id == case.caller_id), None)
    talking = next((c for c in contacts if c.ended_at is None and c.answered_at is not None), None)
    language = (talking.language if talking is not None else None) or case.language
    purpose = ConsentPurpose.RECORDING
    undo = {c.id: joining.can_undo(ask.session, c) for c in contacts}
    return callback_items.values(ask) | {
        "owed": callback_items.of_case(ask, case, newest),
        "agreed": Agreed(
            consents.newest(ask.session, case.id, purpose),
            consents.script(purpose, language, ask.site.settings.audio_days),
            talking,
        ),
        "known": screen_pop.warnings(ask.session, talking, ask.agent) if talking is not None else [],
        "limited": caller_limits.of_case(ask.session, case.id, ask.agent, ask.now),
        "limit_days": ask.site.settings.limit_days,
        "joins": [other for other in shown.others if other.status is not CaseStatus.CLOSED],
        "undo": {contact_id: event for contact_id, event in undo.items() if event is not None},
    }
