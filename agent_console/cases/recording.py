"""A recording of a case: hearing it, correcting its draft, asking for another try."""

from dataclasses import replace

from agent_console.cases import page as case
from agent_console.console import Request
from hotline.cases import page as case_page
from hotline.cases import reading, transcripts
from hotline.errors import NotFound
from hotline.nudges import ALERTS_CHANGED, RECORDINGS_CHANGED, case_changed
from hotline.permissions import Permission
from hotline.staff import sign_ins
from models import Recording
from recordings.vault.playback import audio_wav
from recordings.vault.vault import Vault
from web.guard import SESSION
from web.request import Answer, Bytes, Page, Redirect
from web.routes import Routes

routes = Routes()


@routes.get("/recordings/{id}/audio", Permission.HEAR_AUDIO)
def audio(ask: Request) -> Answer:
    """The voice as a WAV, decrypted for this answer only. Audited before a byte leaves, once a sitting."""
    recording = transcripts.load(ask.session, ask.number("id"), ask.agent)
    name = sign_ins.sha256(ask.visit.cookies[SESSION])
    if not transcripts.hearing_noted(ask.session, recording.id, ask.agent, name):
        # Its own short transaction: nothing is decrypted while the one writer is held.
        with ask.site.database.write() as session:
            noted = transcripts.note_hearing(session, recording.id, ask.agent, name)
            of = transcripts.case_of(session, recording, ask.agent)
            if reading.check_audio(session, recording.id, of, ask.agent, ask.site.settings) is not None:
                ask.tell(ALERTS_CHANGED)
        if noted and of is not None:
            ask.tell(case_changed(of.id))
    vault = Vault(ask.site.settings.vault, ask.site.keys)
    return Bytes(audio_wav(ask.session, ask.site.keys, vault, recording.id, ask.agent), "audio/wav")


@routes.post("/recordings/{id}/hearing", Permission.HEAR_AUDIO)
def hearing(ask: Request) -> Answer:
    """Say that a person heard it to the end."""
    recording = transcripts.mark_heard(ask.session, ask.number("id"), ask.agent)
    return case.done(ask, _case_id(ask, recording))


@routes.post("/recordings/{id}/retries", Permission.WORK_CASES)
def retry(ask: Request) -> Answer:
    """Give it to the transcriber again."""
    recording = transcripts.try_again(ask.session, ask.number("id"), ask.agent)
    ask.tell(RECORDINGS_CHANGED)
    return case.done(ask, _case_id(ask, recording))


@routes.get("/recordings/{id}/transcript", Permission.WORK_CASES)
def transcript(ask: Request) -> Answer:
    """The transcript as it stands, when the form is left."""
    return _draw(ask)


@routes.get("/recordings/{id}/correction", Permission.WORK_CASES)
def correction_form(ask: Request) -> Answer:
    """The transcript as a form."""
    return _draw(ask, editing=True)


@routes.post("/recordings/{id}/correction", Permission.WORK_CASES, on_invalid=correction_form)
def correction(ask: Request) -> Answer:
    """Keep what a person heard, beside the draft."""
    recording = transcripts.load(ask.session, ask.number("id"), ask.agent)
    case_id = _case_id(ask, recording)
    transcripts.correct(ask.session, recording.id, ask.form.get("text", ""), ask.agent, was=ask.form.get("was", ""))
    case.tell(ask, case_id)
    if not ask.visit.in_part:
        return Redirect(f"/cases/{case_id}#recording-{recording.id}")
    return replace(_draw(ask), triggers=(case_changed(case_id),))


def _draw(ask: Request, *, editing: bool = False) -> Page:
    recording = transcripts.load(ask.session, ask.number("id"), ask.agent)
    message = case_page.message(ask.session, recording)
    return case.draw(
        ask,
        _case_id(ask, recording),
        "_transcript",
        editing=f"recording-{recording.id}" if editing else "",
        message=message,
    )


def _case_id(ask: Request, recording: Recording) -> int:
    """The case whose page shows the recording. Raises `NotFound` while its call goes on."""
    found = transcripts.case_of(ask.session, recording, ask.agent)
    if found is None:
        raise NotFound("This recording has no case yet: its call goes on.")
    return found.id
