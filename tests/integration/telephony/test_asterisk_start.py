"""Asterisk as we start it: silent, closed to strangers, and gone with its parent."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sqlmodel import Session

from hotline.line import languages
from hotline.settings import Settings
from models import Database
from telephony import names
from telephony.asterisk.process import RunningAsterisk, read_menu, ready
from telephony.asterisk.render import folders
from telephony.softphone.phone import Phone
from tests.support.asterisk import AsteriskUnderTest
from tests.support.databases import away
from tests.support.turn_client import Turn
from tests.support.wait import until

LINE = "1800123456"
# The first says which machine this is. The second is wrong in Debian's own documentation files, not in ours.
HARMLESS = ("PBX UUID:", "Could not find option 'minimum_size' with type 'threadpool' in module 'stasis'")
Start = Callable[[Settings], AsteriskUnderTest]


def test_it_starts_without_a_warning_or_an_error(asterisk: AsteriskUnderTest) -> None:
    asterisk.command("module reload")
    printed = [line for line in asterisk.running.console.read_text().splitlines() if line.strip()]
    assert [line for line in printed if not line.startswith(HARMLESS)] == []
    assert [line for line in asterisk.log.splitlines() if "WARNING" in line or "ERROR" in line] == []


def test_it_starts_silently_with_a_trunk_that_registers_and_an_address_outside(
    settings: Settings, start_asterisk: Start
) -> None:
    told = {
        "trunk_host": "127.0.0.3",
        "trunk_user": "freeline",
        "trunk_password": "semi;colon and space",
        "trunk_match": "127.0.0.0/8, 192.0.2.7",
        "external_ip": "192.0.2.1",
        "lines": "1800123456,+6620000000,1506",
    }
    asterisk = start_asterisk(settings.model_copy(update=told))
    assert "WARNING" not in asterisk.log.replace("No response received", "")
    assert "ERROR" not in asterisk.log
    assert "semi;colon and space" in asterisk.command("pjsip show auth trunk")
    assert "sip:127.0.0.3" in asterisk.command("pjsip show registrations")
    with asterisk.phone() as phone:
        for dialled in ("1800123456", "+661800123456", "+6620000000", "6620000000", "020000000", "1506"):
            call = phone.call(dialled)
            assert call.wait_answered(), dialled
            call.hangup()


def test_it_starts_silently_with_a_stun_server(settings: Settings, start_asterisk: Start, tmp_path: Path) -> None:
    turn = Turn(tmp_path / "turn")
    try:
        asterisk = start_asterisk(settings.model_copy(update={"stun_urls": turn.stun_url}))
        assert "WARNING" not in asterisk.log
        assert "ERROR" not in asterisk.log
        assert f"{turn.host}:{turn.port}" in asterisk.command("rtp show settings")
    finally:
        turn.close()


def test_it_starts_in_a_data_folder_too_deep_for_a_socket(settings: Settings, start_asterisk: Start) -> None:
    deep = settings.model_copy(update={"data": settings.data / ("x" * 100)})
    one = start_asterisk(deep)
    assert ready(deep)
    assert not folders(deep)["run"].is_relative_to(deep.data)
    one.stop()
    assert not folders(deep)["run"].exists()


def test_every_module_it_was_told_to_load_is_running(asterisk: AsteriskUnderTest) -> None:
    listed = asterisk.command("module show")
    assert "Not Running" not in listed
    assert "chan_pjsip.so" in listed


def test_its_configuration_and_secrets_are_for_their_owner_alone(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    files = [path for folder in (settings.asterisk / "etc", settings.keys) for path in folder.iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(settings.asterisk.stat().st_mode) == 0o700


def test_the_secrets_of_a_first_start_stay(settings: Settings, asterisk: AsteriskUnderTest) -> None:
    assert RunningAsterisk(settings, asterisk.running.asterisk).secrets == asterisk.running.secrets


def test_a_number_that_is_not_ours_is_refused(asterisk: AsteriskUnderTest) -> None:
    with asterisk.phone() as phone:
        for number in ("1800123457", "call", "s", "h", "T", "echo", "00441234567"):
            call = phone.call(number)
            assert call.wait_ended(), number
            assert call.status == 404, number


def test_only_the_trunks_address_calls_without_a_password(settings: Settings, start_asterisk: Start) -> None:
    asterisk = start_asterisk(settings.model_copy(update={"trunk_match": "127.0.0.2"}))
    server = (settings.sip_host, settings.sip_port)
    with Phone(server, host="127.0.0.2") as trunk, Phone(server) as stranger:
        call = trunk.call(LINE)
        assert call.wait_answered()
        call.hangup()
        for name in ("0812345678", names.TRUNK, names.CALLER):
            refused = stranger.call(LINE, from_number=name)
            assert refused.wait_ended()
            assert refused.status == 401, f"a stranger who calls herself {name}"
    assert asterisk.channels == 0


def test_a_phone_elsewhere_calls_with_the_callers_account(settings: Settings, start_asterisk: Start) -> None:
    asterisk = start_asterisk(settings.model_copy(update={"trunk_match": "127.0.0.2"}))
    server = (settings.sip_host, settings.sip_port)
    with (
        Phone(server, names.CALLER, asterisk.running.secrets.caller) as right,
        Phone(server, names.CALLER, "wrong") as wrong,
    ):
        assert right.register() == 200
        call = right.call(LINE)
        assert call.wait_answered()
        call.hangup()
        assert wrong.register() in {401, 403}
        refused = wrong.call(LINE)
        assert refused.wait_ended()
        assert refused.status in {401, 403}


def test_no_log_and_no_record_of_events_holds_the_callers_number(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    number = "0898765432"
    with asterisk.phone() as phone:
        for dialled in (LINE, "1800000000"):
            call = phone.call(dialled, from_number=number)
            call.wait_answered()
            call.hangup()
        until(lambda: asterisk.cel.exists() and "LINKEDID_END" in asterisk.cel.read_text())
    files = [path for path in settings.asterisk.rglob("*") if path.is_file()]
    assert [path for path in files if number.encode() in path.read_bytes()] == []


def test_a_change_of_the_menu_reaches_the_dialplan(
    settings: Settings, db: Database, asterisk: AsteriskUnderTest
) -> None:
    def put(session: Session, key: str | None) -> None:
        languages.put_language(session, "km", key=key, position=1)

    with db.write() as session:
        put(session, "4")
    asterisk.running.refresh(read_menu(settings))
    assert "FREELINE_KEY_4=km" in asterisk.command("dialplan show globals")
    with db.write() as session:
        put(session, None)
    asterisk.running.refresh(read_menu(settings))
    assert "km" not in asterisk.command("dialplan show globals")


def test_without_its_database_it_starts_with_the_menu_it_had(settings: Settings, db: Database, sounds: Path) -> None:
    with db.write() as session:
        languages.seed(session, [LINE], demo=True)
    before = read_menu(settings)
    assert before["FREELINE_KEY_2"] == "th"
    assert before["FREELINE_MENU"], "two invitations are there"
    with away(db):
        assert read_menu(settings) == before


def run_main(settings: Settings) -> subprocess.Popen[bytes]:
    """The process as the supervisor starts it."""
    told = {f"FREELINE_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value != ""}
    imports = "from telephony.asterisk.process import main; from hotline.settings import settings"
    return subprocess.Popen(
        [sys.executable, "-c", f"{imports}; raise SystemExit(main(settings()))"], env=os.environ | told
    )


def asterisk_of(settings: Settings) -> int | None:
    """The process id of the Asterisk that runs on these settings."""
    mark = str(settings.asterisk / "etc" / "asterisk.conf").encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in words and b"-f" in words:
            return int(path.parent.name)
    return None


def test_it_ends_cleanly_when_it_is_told_to(settings: Settings, sounds: Path) -> None:
    process = run_main(settings)
    try:
        until(lambda: ready(settings))
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert asterisk_of(settings) is None
        assert not ready(settings)
    finally:
        process.kill()


def test_it_dies_with_the_process_that_started_it(settings: Settings, sounds: Path) -> None:
    process = run_main(settings)
    try:
        until(lambda: ready(settings))
        assert asterisk_of(settings) is not None, "there must be one for this test to mean anything"
    finally:
        process.kill()
        process.wait()
    until(lambda: asterisk_of(settings) is None)


def test_an_asterisk_that_dies_is_told_as_a_failure(settings: Settings, sounds: Path) -> None:
    process = run_main(settings)
    try:
        until(lambda: ready(settings))
        os.kill(asterisk_of(settings) or 0, signal.SIGKILL)
        assert process.wait(15) == 1
    finally:
        process.kill()
