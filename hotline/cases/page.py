"""Everything a case's page shows, read in one go."""

from dataclasses import dataclass, field

from sqlmodel import Session, col, func, select

from hotline import scope
from hotline.alerts import dangers
from hotline.callers import callers
from hotline.cases import lifecycle
from hotline.cases.next_steps import Step, next_steps
from hotline.permissions import Permission, may
from hotline.safety.rights import held_by_another
from models import (
    Agent,
    AgentLanguage,
    Alert,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    Note,
    Recording,
    RecordingKind,
    RecordingState,
    Safety,
    Transcript,
)

OTHERS_SHOWN = 8
UNSURE = 0.6


@dataclass(frozen=True)
class MessageWithRecording:
    """A recording, of a message or of a conversation, with its transcript. `ahead`: how many are transcribed before it."""

    recording: Recording
    transcript: Transcript | None
    ahead: int = 0


@dataclass(frozen=True)
class ContactWithRecordings:
    """A contact of the case and what was recorded in it, newest recording last."""

    contact: Contact
    messages: list[MessageWithRecording]


@dataclass(frozen=True)
class Colleague:
    """Somebody a case can be handed to."""

    agent: Agent
    languages: list[str]


@dataclass(frozen=True)
class CasePage:
    """A case as its page shows it. `names` maps ids of staff to names; `calls` are newest first, `events` too.

    `only_holder` names the colleague who has the case when the reader may not review its safety; None when they may.
    `danger` is what no supervisor has taken yet.
    """

    case: Case
    safety: Safety
    calls: list[ContactWithRecordings]
    notes: list[Note]
    events: list[CaseEvent]
    others: list[Case]
    others_more: int
    called_before: int
    withheld: bool
    names: dict[int, str]
    moves: list[CaseStatus]
    colleagues: list[Colleague]
    mine: bool
    may_change: bool
    only_holder: str | None = None
    danger: Alert | None = None
    steps: list[Step] = field(default_factory=list)


def read(session: Session, case_id: int, by: Agent) -> CasePage:
    """Return the page of a case for this member of staff. Raises `NotFound`."""
    case = scope.case(session, by, case_id)
    contacts = session.exec(
        select(Contact).where(col(Contact.case_id) == case_id).order_by(col(Contact.arrived_at).desc())
    ).all()
    calls = [ContactWithRecordings(contact, messages(session, contact.id)) for contact in contacts]
    safety = session.get(Safety, case_id) or Safety(case_id=case_id)
    mine = case.owner_id == by.id
    may_change = mine or may(by, Permission.HAND_OVER_ANY)
    holder = held_by_another(session, case, by)
    danger = dangers.open_of(session, case_id)
    others, others_more = _others(session, by, case)
    first = min((c.arrived_at for c in contacts), default=case.opened_at)
    return CasePage(
        case=case,
        safety=safety,
        calls=calls,
        notes=list(session.exec(select(Note).where(col(Note.case_id) == case_id).order_by(col(Note.at).desc()))),
        events=list(
            session.exec(
                select(CaseEvent)
                .where(col(CaseEvent.case_id) == case_id)
                .order_by(col(CaseEvent.at).desc(), col(CaseEvent.id).desc())
            )
        ),
        others=others,
        others_more=others_more,
        called_before=callers.times_called(session, case.caller_id, first),
        withheld=case.caller_id is None,
        names={a.id: a.name for a in session.exec(select(Agent))},
        moves=lifecycle.allowed(case.status, by.role) if may_change else [],
        colleagues=_colleagues(session, case) if may_change and case.status is not CaseStatus.CLOSED else [],
        mine=mine,
        may_change=may_change,
        only_holder=holder.name if holder is not None else None,
        danger=danger,
        steps=next_steps(case, safety, [(c.contact, _to_hear(c)) for c in calls], danger=danger is not None),
    )


def messages(session: Session, contact_id: int) -> list[MessageWithRecording]:
    """The recordings of a call with their transcripts, oldest first."""
    rows = session.exec(
        select(Recording, Transcript)
        .join(Transcript, col(Transcript.recording_id) == col(Recording.id), isouter=True)
        .where(col(Recording.contact_id) == contact_id)
        .order_by(col(Recording.recorded_at), col(Recording.id))
    )
    return [MessageWithRecording(recording, transcript, _ahead(session, recording)) for recording, transcript in rows]


def message(session: Session, recording: Recording) -> MessageWithRecording:
    """One recording as its panel shows it."""
    return MessageWithRecording(recording, session.get(Transcript, recording.id), _ahead(session, recording))


def _to_hear(call: ContactWithRecordings) -> list[Recording]:
    """Return what nobody has heard without listening to it: a conversation was heard by the agent who had it."""
    return [m.recording for m in call.messages if m.recording.kind is RecordingKind.MESSAGE]


def _ahead(session: Session, recording: Recording) -> int:
    if recording.state is not RecordingState.WAITING:
        return 0
    # Messages go before conversations: recordings.transcription.claims.
    sooner = col(Recording.recorded_at) < recording.recorded_at
    message = col(Recording.kind) == RecordingKind.MESSAGE
    before = select(func.count()).where(
        col(Recording.state).in_([RecordingState.WAITING, RecordingState.TRANSCRIBING]),
        message & sooner if recording.kind is RecordingKind.MESSAGE else message | sooner,
    )
    return session.exec(before).one()


def _others(session: Session, by: Agent, case: Case) -> tuple[list[Case], int]:
    """Other cases of the same telephone that this reader may see, newest first, and how many more there are."""
    if case.caller_id is None:
        return [], 0
    same = (col(Case.caller_id) == case.caller_id, col(Case.id) != case.id)
    newest = scope.cases(by, select(Case).where(*same)).order_by(col(Case.opened_at).desc())
    found = session.exec(newest.limit(OTHERS_SHOWN)).all()
    total = session.exec(scope.cases(by, select(func.count()).select_from(Case).where(*same))).one()
    return list(found), total - len(found)


def _colleagues(session: Session, case: Case) -> list[Colleague]:
    """Return who works cases and does not have this one, speakers of its language first."""
    spoken: dict[int, list[str]] = {}
    for row in session.exec(select(AgentLanguage).order_by(col(AgentLanguage.language))):
        spoken.setdefault(row.agent_id, []).append(row.language)
    people = [
        Colleague(agent, spoken.get(agent.id, []))
        for agent in session.exec(select(Agent).where(col(Agent.active)).order_by(col(Agent.name)))
        if may(agent, Permission.WORK_CASES) and agent.id != case.owner_id
    ]
    return sorted(people, key=lambda c: case.language not in c.languages)
