"""The list of cases: finding one, and what is mine."""

from agent_console.console import Request
from hotline.cases import listing as case_list
from hotline.cases.listing import Wanted
from hotline.line import languages
from hotline.permissions import Permission
from models import CaseStatus
from web.request import Answer, page, whole
from web.routes import Routes

LAST_PAGE = 999_999
routes = Routes()
TEXT_MAX = 200


@routes.get("/cases", Permission.WORK_CASES)
def cases(ask: Request) -> Answer:
    """One page of cases, by the choices in the address; a choice that makes no sense is none."""
    choices = chosen(ask)
    wanted = Wanted(**choices, page=_page(ask.query.get("page", "")))
    return page(
        "cases/listing.html",
        found=case_list.find(ask.session, wanted, ask.agent),
        choices=choices,
        statuses=list(CaseStatus),
        spoken=sorted({row.code for row in languages.spoken(ask.session)} | ({choices["language"]} - {""})),
    )


def chosen(ask: Request) -> dict[str, str]:
    """The choices that can be used; '' for none."""
    known = {
        "status": {case_list.OPEN, *CaseStatus},
        "language": set(languages.catalogue()),
        "owner": {case_list.MINE, case_list.NOBODY},
    }
    choices = {name: ask.query.get(name, "") for name in known}
    choices = {name: value if value in known[name] else "" for name, value in choices.items()}
    return choices | {"text": ask.query.get("text", "").strip()[:TEXT_MAX]}


def _page(text: str) -> int:
    found = whole(text, LAST_PAGE)
    return 1 if found is None else found
