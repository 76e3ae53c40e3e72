"""Staff, keys, settings and the audit chain."""

import io
from pathlib import Path

import pytest
from sqlmodel import col, select

from hotline import audit
from hotline.errors import Invalid, NotAllowed, NotFound, PartMissing, SettingsWrong
from hotline.keys import IDENTITY, INDEX, PUBLIC, Keys, audit_key, load_keys, make_keys
from hotline.line import languages
from hotline.permissions import ALLOWED, Permission, may
from hotline.settings import Settings
from hotline.staff import people
from models import Agent, AuditEntry, Database, Role, SignIn
from models.db.types import now
from tests.support.cast import PASSWORD, Cast


def test_sign_in_needs_the_right_password_of_somebody_still_here(db: Database, staff: Cast) -> None:
    with db.read() as s:
        assert people.check_password(s, " Alice ", PASSWORD) is not None
        assert people.check_password(s, "alice", PASSWORD + "x") is None
        assert people.check_password(s, "nobody", PASSWORD) is None
        assert people.check_password(s, "charlie", PASSWORD) is None


@pytest.mark.parametrize("login", ["", "a", "Ünïcode", "alice", "a b", "x" * 65])
def test_a_login_that_cannot_be_used_is_refused(db: Database, staff: Cast, login: str) -> None:
    with db.write() as s, pytest.raises(Invalid):
        people.add_agent(s, login, "Name", Role.AGENT, PASSWORD)


def test_a_short_password_is_refused(db: Database, staff: Cast) -> None:
    with db.write() as s, pytest.raises(Invalid, match="10"):
        people.add_agent(s, "dora", "Dora", Role.AGENT, "short")


def test_a_new_password_ends_every_sign_in(db: Database, staff: Cast) -> None:
    with db.write() as s:
        s.add(SignIn(token_sha256="t", agent_id=staff.alice.id, csrf="c", expires_at=now()))
        alice = s.get(Agent, staff.alice.id)
        assert alice is not None
        people.set_password(s, alice, "another good password", by_id=staff.adam.id, must_change=True)
        assert s.exec(select(SignIn).where(col(SignIn.ended_at).is_(None))).all() == []


def test_only_the_digest_of_a_phone_secret_is_kept(db: Database, staff: Cast) -> None:
    with db.write() as s:
        secret = people.new_phone_secret(s, staff.alice.id, by_id=None)
        alice = s.get(Agent, staff.alice.id)
        assert alice is not None
        assert alice.phone_secret_ha1
        assert secret not in alice.phone_secret_ha1


def test_an_administrator_sees_no_case_and_no_number() -> None:
    hers = ALLOWED[Role.ADMINISTRATOR]
    assert not hers & {Permission.WORK_CASES, Permission.SEE_NUMBER, Permission.HEAR_AUDIO, Permission.SEE_QUEUE}


def test_who_has_left_may_nothing(staff: Cast) -> None:
    assert not any(may(staff.charlie, permission) for permission in Permission)


def test_a_changed_audit_entry_breaks_the_chain(db: Database, staff: Cast) -> None:
    with db.write() as s:
        for n in range(4):
            audit.note_act(s, "number_shown", f"case:{n}", by_id=staff.alice.id)
        assert audit.first_broken(s) is None
        entry = s.exec(select(AuditEntry).where(col(AuditEntry.subject) == "case:2")).one()
        entry.by_id = staff.bob.id
        s.add(entry)
        s.flush()
        assert audit.first_broken(s) == entry.id


def test_a_removed_audit_entry_breaks_the_chain(db: Database, staff: Cast) -> None:
    with db.write() as s:
        for n in range(3):
            audit.note_act(s, "number_shown", f"case:{n}", by_id=staff.alice.id)
        s.delete(s.exec(select(AuditEntry).where(col(AuditEntry.subject) == "case:1")).one())
        s.flush()
        assert audit.first_broken(s) is not None


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    before = load_keys(tmp_path / "keys", may_open=True)
    make_keys(tmp_path / "keys")
    assert load_keys(tmp_path / "keys", may_open=True) == before
    assert all(p.stat().st_mode & 0o077 == 0 for p in (tmp_path / "keys").iterdir())
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {p.name for p in (tmp_path / "keys").iterdir()} == {PUBLIC, IDENTITY, INDEX}, "nothing half written is left"


def test_the_audits_key_is_there_without_the_identity_and_not_before_there_are_keys(settings: Settings) -> None:
    assert audit_key(settings.keys) is None
    make_keys(settings.keys)
    made = load_keys(settings.keys, may_open=True).audit
    (settings.keys / IDENTITY).unlink()
    assert audit_key(settings.keys) == made


@pytest.mark.parametrize("side", ["source", "target"])
def test_trouble_on_either_side_of_opening_is_not_taken_for_damage(keys: Keys, side: str) -> None:
    """A disk that cannot be read or is full, and not what is sealed; damage is told from it."""

    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("torn")

        def write(self, piece: object, /) -> int:
            raise OSError("torn")

    sealed = keys.seal(b"secret" * 1000)
    source, target = (Torn(), io.BytesIO()) if side == "source" else (io.BytesIO(sealed), Torn())
    with pytest.raises(OSError, match="torn"):
        keys.open_stream(source, target)
    with pytest.raises(ValueError, match="damaged"):
        keys.open_stream(io.BytesIO(sealed[:-40]), io.BytesIO())


def test_without_the_identity_nothing_opens(keys: Keys) -> None:
    sealer = Keys(keys.public, keys.index)
    sealed = sealer.seal(b"secret")
    assert keys.open(sealed) == b"secret"
    with pytest.raises(NotAllowed):
        sealer.open(sealed)
    with pytest.raises(ValueError):
        keys.open(sealed[:-1] + b"x")


def test_a_process_that_only_seals_never_reads_the_identity(settings: Settings) -> None:
    """The AGI server and the switchboard: it need not even be on their machine."""
    make_keys(settings.keys)
    opener = load_keys(settings.keys, may_open=True)
    (settings.keys / IDENTITY).unlink()
    sealer = load_keys(settings.keys, may_open=False)
    sealed = sealer.seal(b"secret")
    assert (sealer.identity, opener.open(sealed)) == (None, b"secret")
    with pytest.raises(NotAllowed):
        sealer.open(sealed)
    with pytest.raises(NotAllowed):
        sealer.open_stream(io.BytesIO(sealed), io.BytesIO())
    with pytest.raises(PartMissing):
        load_keys(settings.keys, may_open=True)


def test_a_key_chooses_one_language(db: Database) -> None:
    with db.write() as s:
        languages.seed(s, ["1800123456"], demo=True)
        with pytest.raises(Invalid, match="Burmese"):
            languages.put_language(s, "ne", key="1", position=9)
        with pytest.raises(Invalid):
            languages.put_language(s, "ne", key="0", position=9)
        with pytest.raises(NotFound):
            languages.put_language(s, "xx", key="8", position=9)
        languages.put_language(s, "ne", key="8", position=9, is_for_no_key=True)
        assert [row.code for row in languages.menu(s)] == ["my", "th", "km", "lo", "vi", "en", "ko", "ne"]
        assert languages.for_no_key(s) == "ne"


def test_a_secret_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("FREELINE_TRUNK_PASSWORD_FILE", str(tmp_path / "secret"))
    assert Settings().trunk_password == "s3cret"
    monkeypatch.setenv("FREELINE_TRUNK_PASSWORD_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingsWrong, match="cannot be read"):
        Settings()


@pytest.mark.parametrize("ports", ["10000", "20-10", "a-b", "10-99999"])
def test_a_port_range_that_makes_no_sense_is_refused(ports: str) -> None:
    with pytest.raises(ValueError, match="RTP_PORTS"):
        Settings(rtp_ports=ports)
