"""The configuration that Asterisk is given, as text."""

import re
import stat
from pathlib import Path

import pytest

from hotline.errors import SettingsWrong
from hotline.line.languages import catalogue
from hotline.settings import Settings
from telephony import names
from telephony.asterisk.modules import module_names
from telephony.asterisk.obtain import Asterisk
from telephony.asterisk.render import folders, hold_folder, render
from telephony.asterisk.secrets import Secrets, load_secrets, make_secrets

NOWHERE = Asterisk(("asterisk",), "22.10.1", Path("/nowhere/modules"), Path("/nowhere/share"))
MENU = {"FREELINE_KEY_1": "my", "FREELINE_KEY_2": "", "FREELINE_MENU": "/s/my/invite", "FREELINE_NO_KEY": "th"}


@pytest.fixture
def secrets(settings: Settings) -> Secrets:
    return make_secrets(settings)


def rendered(settings: Settings, secrets: Secrets, name: str, menu: dict[str, str] | None = None) -> str:
    """One file as Asterisk reads it, without comments."""
    render(settings, NOWHERE, secrets, MENU if menu is None else menu)
    text = (settings.asterisk / "etc" / name).read_text()
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(";"))


def test_every_file_is_for_its_owner_alone(settings: Settings, secrets: Secrets) -> None:
    written = render(settings, NOWHERE, secrets, MENU)
    assert {"extensions.conf", "pjsip.conf", "udptl.conf"} <= written
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (settings.asterisk / "etc").iterdir()}
    assert modes == {0o600}


def test_only_what_differs_is_written_again(settings: Settings, secrets: Secrets) -> None:
    render(settings, NOWHERE, secrets, MENU)
    assert render(settings, NOWHERE, secrets, MENU) == set()
    assert render(settings, NOWHERE, secrets, MENU | {"FREELINE_KEY_2": "th"}) == {"extensions.conf"}


def test_the_menu_is_in_the_globals(settings: Settings, secrets: Secrets) -> None:
    text = rendered(settings, secrets, "extensions.conf")
    for line in ("FREELINE_KEY_1 = my", "FREELINE_KEY_2 = ", "FREELINE_MENU = /s/my/invite", "FREELINE_NO_KEY = th"):
        assert line in text.splitlines()


def test_without_a_menu_there_is_still_a_language(settings: Settings, secrets: Secrets) -> None:
    assert "FREELINE_NO_KEY = en" in rendered(settings, secrets, "extensions.conf", {})


def test_every_script_has_its_label_its_url_and_its_check(settings: Settings, secrets: Secrets) -> None:
    assert Settings.model_fields["first_word_s"].default == 2.3, "no caller is left in silence for three seconds"
    text = rendered(settings.model_copy(update={"first_word_s": 2.75}), secrets, "extensions.conf")
    for script in names.SCRIPTS:
        assert f"n({script})" in text
        asked = text.index(f"AGI(agi://${{FREELINE_AGI}}/{script})")
        before = [line.strip() for line in text[:asked].splitlines()[-6:]]
        set_anew = max(n for n, line in enumerate(before) if line.endswith("Set(FREELINE_DONE=)"))
        assert not [line for line in before[set_anew:] if "AGI(" in line], "what another script set is not believed"
        assert any(line.endswith("Set(TIMEOUT(absolute)=2.75)") for line in before), (
            "a script that says nothing is left"
        )
        assert f'"${{FREELINE_DONE}}" != "{script}"]?net' in text[asked:].splitlines()[1]


def test_the_token_is_in_no_command(settings: Settings, secrets: Secrets) -> None:
    text = rendered(settings, secrets, "extensions.conf")
    assert text.count(secrets.agi_token) == 1
    assert f"FREELINE_TOKEN = {secrets.agi_token}" in text
    assert "${FREELINE_TOKEN}" not in text


def test_the_dialplan_has_one_pattern_that_no_stranger_reaches_and_runs_no_program(
    settings: Settings, secrets: Secrets
) -> None:
    text = rendered(settings, secrets, "extensions.conf")
    before, after = text.split("exten => _m")
    assert re.findall(r"^\[(.+)\]", before, re.MULTILINE)[-1] == names.CONTEXT_CONFIRM
    assert after.startswith("X!,1,")
    # Digits alone, so many and no more, and all that happens is that the call is refused.
    trunk = text.split(f"[{names.CONTEXT_TRUNK}]")[1].split("\n[")[0]
    counted = [line for line in text.splitlines() if line.startswith("exten => _") and "_m" not in line]
    assert counted == [line for line in trunk.splitlines() if line.startswith("exten => _")]
    assert all(re.fullmatch(r"exten => _\+?X{1,20},1,Hangup\(1\)", line) for line in counted)
    assert "${EXTEN" not in trunk
    assert not re.search(r"System\(|SHELL\(|TrySystem|MixMonitor|EVAL\(", text)
    assert {"app_system", "func_shell", "app_voicemail", "pbx_spool", "app_disa"}.isdisjoint(module_names())


def test_the_callers_number_goes_into_one_variable_and_filtered(settings: Settings, secrets: Secrets) -> None:
    text = rendered(settings, secrets, "extensions.conf")
    # Asterisk is never told who calls, and what a header says is only measured, compared or filtered.
    assert "${CALLERID(" not in text
    assert "res_pjsip_caller_id" not in module_names()
    reading = [line for line in text.splitlines() if "PJSIP_HEADER(read" in line]
    stored = [line for line in reading if "Set(" in line]
    assert len(reading) > len(stored) == 3
    assert all("FILTER(" in line or "${IF($[${LEN(" in line for line in stored)
    assert [line.partition("CUT(")[0] for line in stored if "FREELINE_NUMBER=" in line] == [
        " same => n,Set(FREELINE_NUMBER=${FILTER(0-9+,${"
    ]


@pytest.mark.parametrize("application", ["Dial", "Queue"])
def test_nothing_that_rings_follows_another_address(settings: Settings, secrets: Secrets, application: str) -> None:
    told = settings.model_copy(update={"trunk_host": "sip.example.org"})
    text = rendered(told, secrets, "extensions.conf")
    options = [line for line in text.splitlines() if f",{application}(" in line]
    assert options
    for line in options:
        where = 2 if application == "Dial" else 1
        assert "i" in line.partition(f"{application}(")[2].split(",")[where].split("(")[0], line


def test_each_line_is_known_by_every_spelling_a_trunk_may_use(settings: Settings, secrets: Secrets) -> None:
    told = settings.model_copy(update={"lines": "+66 2 123 4567".replace(" ", "") + ",1506"})
    text = rendered(told, secrets, "extensions.conf")
    for dialled in ("+6621234567", "6621234567", "021234567", "1506"):
        assert f"exten => {dialled},1,Set(__FREELINE_CALL=${{UUID()}})" in text
    assert "Set(FREELINE_LINE=+6621234567)" in text


@pytest.mark.parametrize("lines", ["18001234x", "_X.", "1800,1,Hangup()", "12", "1800\n123456"])
def test_a_line_that_is_no_number_is_refused(settings: Settings, secrets: Secrets, lines: str) -> None:
    with pytest.raises(SettingsWrong, match="FREELINE_LINES"):
        render(settings.model_copy(update={"lines": lines}), NOWHERE, secrets, MENU)


def test_every_language_of_the_catalogue_has_a_queue(settings: Settings, secrets: Secrets) -> None:
    text = rendered(settings, secrets, "queues.conf")
    for code in catalogue():
        assert f"[{code}](of-a-language)" in text
        assert f"periodic-announce = {settings.sounds}/{code}/comfort,{settings.sounds}/{code}/offer" in text


def test_backup_speakers_join_when_the_settings_say(settings: Settings, secrets: Secrets) -> None:
    told = settings.model_copy(update={"backup_after_s": 33})
    assert "penaltychange => 33,10" in rendered(told, secrets, "queuerules.conf")


def test_the_manager_accounts_may_do_no_more_than_they_need(settings: Settings, secrets: Secrets) -> None:
    lines = rendered(settings, secrets, "manager.conf").splitlines()
    # What may be done with an account is its write right; the other is what it is told.
    assert [line.strip() for line in lines if line.startswith("write =")] == [
        "write = reporting",
        "write =",
        "write = agent,call,originate,reporting",
    ]
    assert [line.strip() for line in lines if line.startswith("read =")] == [
        "read = system,call,agent,reporting",
        "read = security",
        "read =",
    ]


def test_asterisk_itself_is_reached_on_loopback_only(settings: Settings, secrets: Secrets) -> None:
    assert "bindaddr = 127.0.0.1" in rendered(settings, secrets, "manager.conf")
    assert "bindaddr = 127.0.0.1" in rendered(settings, secrets, "http.conf")


def test_no_file_is_told_to_keep_calls_beyond_the_evidence(settings: Settings, secrets: Secrets) -> None:
    assert "queue_log = no" in rendered(settings, secrets, "logger.conf")
    told = rendered(settings, secrets, "logger.conf").partition("[logfiles]\n")[2]
    assert told.splitlines() == ["/dev/fd/2 => [json]error,warning,debug"], (
        "into the pipe alone: telephony.asterisk.log_filter reads it"
    )
    fields = rendered(settings, secrets, "cel_custom.conf").lower()
    assert not any(word in fields for word in ("num", "ani", "appdata", "rdnis", "dnid", "peer"))


def test_the_trunk_is_known_by_its_address_alone(settings: Settings, secrets: Secrets) -> None:
    told = settings.model_copy(update={"trunk_match": "192.0.2.1, 198.51.100.0/24"})
    text = rendered(told, secrets, "pjsip.conf")
    assert "match = 192.0.2.1,198.51.100.0/24" in text
    assert "[trunk](a-line)\nidentify_by = ip" in text


@pytest.mark.parametrize("match", ["", "not an address", "1.2.3.4\nmatch=0.0.0.0/0", "trunk;"])
def test_a_trunk_address_that_is_none_is_refused(settings: Settings, secrets: Secrets, match: str) -> None:
    with pytest.raises(SettingsWrong, match="FREELINE_TRUNK_MATCH"):
        render(settings.model_copy(update={"trunk_match": match}), NOWHERE, secrets, MENU)


def test_a_semicolon_in_a_password_begins_no_comment(settings: Settings, secrets: Secrets) -> None:
    told = settings.model_copy(update={"trunk_host": "sip.test", "trunk_user": "u", "trunk_password": "a;b"})
    assert r"password = a\;b" in rendered(told, secrets, "pjsip.conf")


def test_a_line_break_in_a_password_is_refused(settings: Settings, secrets: Secrets) -> None:
    told = settings.model_copy(update={"trunk_host": "sip.test", "trunk_user": "u", "trunk_password": "a\n[evil]"})
    with pytest.raises(SettingsWrong, match="line break"):
        render(told, NOWHERE, secrets, MENU)


def test_a_data_folder_that_the_dialplan_would_misread_is_refused(
    settings: Settings, secrets: Secrets, tmp_path: Path
) -> None:
    with pytest.raises(SettingsWrong, match="FREELINE_DATA"):
        render(settings.model_copy(update={"data": tmp_path / "a,b"}), NOWHERE, secrets, MENU)


def test_a_deep_data_folder_gets_a_short_place_for_its_socket(settings: Settings) -> None:
    deep = settings.model_copy(update={"data": settings.data / ("x" * 120)})
    assert len(str(folders(deep)["run"] / "asterisk.ctl")) < 108
    other = settings.model_copy(update={"data": settings.data / ("y" * 120)})
    assert folders(deep)["run"] != folders(other)["run"]


def test_the_hold_sound_is_the_built_one_as_soon_as_there_is_one(settings: Settings) -> None:
    assert hold_folder(settings) == settings.asterisk / "hold"
    (settings.sounds / "hold").mkdir(parents=True)
    (settings.sounds / "hold" / "hold.sln").write_bytes(b"\0\0")
    assert hold_folder(settings) == settings.sounds / "hold"


def test_secrets_are_made_once_and_differ(settings: Settings) -> None:
    made = make_secrets(settings)
    assert make_secrets(settings) == made == load_secrets(settings)
    words = list(vars(made).values())
    assert len(set(words)) == len(words)
    assert {stat.S_IMODE(path.stat().st_mode) for path in settings.keys.glob("*.secret")} == {0o600}
