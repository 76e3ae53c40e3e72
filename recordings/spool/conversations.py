"""Moves recorded conversations from the spool into the vault, if the worker agreed. They do not tell how a call ended."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from hotline import nudges as events
from hotline.calls import facts as calls
from hotline.errors import FreelineError
from hotline.log import log
from hotline.nudges import Nudges
from models import Contact, Database, Recording, RecordingKind
from recordings.spool.files import RecordedConversation, being_written, remove
from recordings.spool.sealer import SpoolSealer
from recordings.vault import consent_gate

# Asterisk has the file open, and writes silence too, until the recorder ends. Once nobody has it open it is complete.
CLOSED_S = 1.0
# Where the file system cannot tell whether a file is open, it must not have grown for so long.
QUIET_S = 5.0
# A conversation of an unknown call has no consent. For a while the call's row may still be on its way.
UNKNOWN_S = 3600.0
# After an error a file is left alone for so long, so that a full disk is not tried each second.
REST_S = 10.0


@dataclass
class Conversations:
    """Takes recorded conversations. `take` never raises because of a file: it logs and retries later."""

    db: Database
    sealer: SpoolSealer
    nudges: Nudges
    clock: Callable[[], float]
    beat: Callable[[], None]
    _resting: dict[str, float] = field(default_factory=dict)

    def take(self, talks: list[RecordedConversation]) -> int:
        """Take or destroy each conversation whose recorder is done; return how many."""
        present = {talk.file.path.name for talk in talks}
        self._resting = {name: until for name, until in self._resting.items() if name in present}
        taken = 0
        for talk in talks:
            if self._resting.get(talk.file.path.name, 0.0) <= self.clock():
                taken += self._try(talk)
                self.beat()
        return taken

    def _try(self, talk: RecordedConversation) -> bool:
        try:
            return self._done(talk) and self._take(talk)
        except (FreelineError, OSError) as error:
            self._rest(talk, "a conversation could not be kept; the spool keeps it", error)
        except OperationalError as error:
            self._rest(talk, "the database cannot be used; the spool is kept", error)
        except Exception as error:  # noqa: BLE001  (one file never stops the others)
            self._rest(talk, "a conversation from the spool could not be ingested", error)
        return False

    def _done(self, talk: RecordedConversation) -> bool:
        """Return whether the recorder is done. The call may go on: recording was stopped, or the worker is held."""
        written = being_written(talk.file.path)
        return not written and talk.file.quiet_s >= (QUIET_S if written is None else CLOSED_S)

    def _take(self, talk: RecordedConversation) -> bool:
        with self.db.read() as session:
            contact = calls.find(session, talk.call)
        if contact is None:
            if talk.file.quiet_s < UNKNOWN_S:
                return False
            log().warning("a conversation of an unknown call was destroyed unheard")
            return remove([talk.file])
        sound = self.sealer.measure(talk.file)
        refused = self._why_not(contact, talk)
        recording = self.sealer.keep(talk.file, sound) if sound.worth_keeping and refused is None else None
        contact, why, is_new = self._write(talk, recording)
        if refused is not None and why is None:
            return False  # the worker agreed in this moment: the next pass takes it
        if why is not None and recording is not None:
            # Consent was taken back while it was being sealed.
            self.sealer.vault.delete(recording.vault_key)
        self.sealer.in_a_row(talk.file.path.stem)
        if not remove([talk.file]):
            log().info("a file of the spool changed while it was ingested; it is taken again")
        if why is not None:
            log().warning("a conversation was destroyed unheard: there is no consent", contact=contact.id, why=why)
        elif is_new and recording is not None:
            log().info("a conversation was ingested", contact=contact.id, seconds=round(recording.duration_s))
        self._tell(contact, is_new=is_new)
        return True

    def _why_not(self, contact: Contact, talk: RecordedConversation) -> str | None:
        with self.db.read() as session:
            return consent_gate.why_not(session, contact, talk.file.began_at)

    def _write(self, talk: RecordedConversation, recording: Recording | None) -> tuple[Contact, str | None, bool]:
        """Write the conversation's row, or say why there is none, while nobody else can change the call."""
        with self.db.write() as session:
            contact = _held(session, talk.call)
            why = consent_gate.why_not(session, contact, talk.file.began_at)
            if why is not None:
                consent_gate.tell_destroyed(session, contact, why, f"talk {talk.number}")
                return contact, why, False
            if recording is None:
                return contact, None, False
            recording.kind = RecordingKind.CONVERSATION
            recording.language = contact.language
            return contact, None, calls.attach(session, contact, recording)

    def _tell(self, contact: Contact, *, is_new: bool) -> None:
        names = [events.call_changed(contact.id)]
        if contact.case_id is not None:
            names.append(events.case_changed(contact.case_id))
        if is_new:
            names.append(events.RECORDINGS_CHANGED)
        self.nudges.tell(*names)

    def _rest(self, talk: RecordedConversation, why: str, error: Exception) -> None:
        log().warning(why, error=error)
        self._resting[talk.file.path.name] = self.clock() + REST_S


def _held(session: Session, call: str) -> Contact:
    """The call's row, locked until we commit: taking consent back changes it too."""
    return session.exec(select(Contact).where(col(Contact.call) == call).with_for_update()).one()
