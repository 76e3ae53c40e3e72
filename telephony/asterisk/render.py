"""Asterisk's configuration, rendered from the settings, the secrets and the menu into Settings.asterisk/etc."""

import hashlib
import ipaddress
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path

import phonenumbers
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hotline.errors import SettingsWrong
from hotline.line.languages import catalogue
from hotline.queue.members import PENALTY_BACKUP
from hotline.settings import Settings
from telephony import names
from telephony.asterisk import ice, modules
from telephony.asterisk.obtain import Asterisk
from telephony.asterisk.secrets import Secrets

TEMPLATES = Path(__file__).parents[1] / "asterisk-conf"
# These must exist and may be empty.
EMPTY = ("ccss", "cdr", "features", "acl", "udptl", "pjproject", "websocket_client")
MENU_LIMIT_S = 600
ROUNDS = 40  # how often a call may enter a queue; only a fault comes near it
ROOM_LOOK_S = 120
LOOK_S = 0.2  # how often it is looked whether an agent whose line broke off can be rung again
DEFAULT_LANGUAGE = "en"
SOCKET_PATH_LIMIT = 100
DIALLED_MAX = 20
# How carriers write an international number of ours when they do not write +.
INTERNATIONAL = ("", "0", "00", "001", "011")


def render(settings: Settings, asterisk: Asterisk, secrets: Secrets, menu: Mapping[str, str]) -> set[str]:
    """Write all files that differ, mode 0600, and return their names. `menu` holds the globals of telephony.asterisk.menu.

    Raises `SettingsWrong` for what cannot be written.
    """
    etc = settings.asterisk / "etc"
    etc.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = _environment()
    values = _values(settings, asterisk, secrets, menu)
    texts = {path.name: environment.get_template(path.name).render(values) for path in TEMPLATES.glob("*.conf")}
    texts |= {f"{name}.conf": "" for name in EMPTY}
    return {name for name, text in texts.items() if _write(etc / name, text)}


@cache
def _environment() -> Environment:
    """One for the process: the templates are compiled once, and are asked for every few seconds."""
    return Environment(  # noqa: S701  (no HTML; `_safe` guards every value)
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_safe,
    )


def folders(settings: Settings) -> dict[str, Path]:
    """Every folder that Asterisk itself writes to or looks for, by what it is for."""
    home = settings.asterisk
    return {
        "etc": home / "etc",
        "var": home / "lib",
        "keys": home / "lib" / "keys",
        "log": home / "log",
        "cel": names.cel_path(home).parent,
        "run": _run_folder(settings),
        "spool": settings.spool,
        "hold": settings.sounds / "hold",
    }


def hold_folder(settings: Settings) -> Path:
    """Where the hold sound is: the built one, or Asterisk's own stand-in while none is built."""
    built = settings.sounds / "hold"
    return built if any(built.glob("*.sln")) else settings.asterisk / "hold"


def _values(settings: Settings, asterisk: Asterisk, secrets: Secrets, menu: Mapping[str, str]) -> dict[str, object]:
    for path in (settings.data, settings.sounds, settings.spool):
        if not re.fullmatch(r"[\w/.+@ -]+", str(path)):
            raise SettingsWrong(f"FREELINE_DATA may hold only letters, digits, spaces and / . _ + @ -: {settings.data}")
    first, _, last = settings.rtp_ports.partition("-")
    return {
        **settings.model_dump(),
        **folders(settings),
        "names": vars(names),
        "secrets": asdict(secrets),
        "menu": {names.MENU: "", names.NO_KEY: DEFAULT_LANGUAGE, **menu},
        "languages": list(catalogue()),
        "module_list": _module_list(asterisk),
        "modules": asterisk.modules,
        "share": asterisk.share,
        "sounds": settings.sounds,
        "hold": hold_folder(settings),
        "http_host": settings.asterisk_http_host,
        "http_port": settings.asterisk_http_port,
        "rtp_first": first,
        "rtp_last": last,
        "trunk_match": ",".join(_networks("TRUNK_MATCH", settings.trunk_match)),
        "local_networks": _networks("LOCAL_NETWORKS", settings.local_networks),
        "advertised_instead": ice.advertised_instead(settings),
        "stun_server": ice.stun_for_asterisk(settings),
        "line_numbers": settings.line_numbers,
        "dialled_max": DIALLED_MAX,
        "dialled_lines": dialled_lines(settings, menu.get(names.LINES, "")),
        "caller_id": caller_id(settings),
        "trunk_domain": settings.trunk_host.partition(":")[0],
        "penalty_backup": PENALTY_BACKUP,
        "rounds": ROUNDS,
        # The queue says its words of comfort first, and the offer second.
        "offer_after_s": 2 * settings.comfort_every_s,
        "room_look_s": ROOM_LOOK_S,
        "look_s": LOOK_S,
        "first_word_s": settings.first_word_s,
        "menu_limit_s": MENU_LIMIT_S,
        "message_slice_s": max(1, settings.message_silence_s // 2),
        "message_limit_s": settings.message_max_s + MENU_LIMIT_S,
        "net_limit_s": settings.message_max_s + MENU_LIMIT_S,
    }


def dialled_lines(settings: Settings, added: str = "") -> list[tuple[str, str]]:
    """Each way a trunk may write each of our numbers, with the number as it is in the settings.

    `added` are further numbers, with commas: those that the organisation added on screen.
    """
    lines = [*settings.line_numbers, *(line for line in added.split(",") if re.fullmatch(r"\+?\d{3,20}", line))]
    found = {line: line for line in lines}
    for line in lines:
        if not re.fullmatch(r"\+?\d{3,20}", line):
            raise SettingsWrong(f"FREELINE_LINES holds {line!r}: a line is 3 to 20 digits, with or without a leading +")
        digits = line.lstrip("+")
        ways = [digits, f"+{digits}"]
        try:
            number = phonenumbers.parse(line, settings.country)
            whole = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            national = phonenumbers.national_significant_number(number)
            before = dict.fromkeys((*INTERNATIONAL, *settings.numbering.international))
            ways += [whole, national, f"{settings.numbering.national_prefix()}{national}", f"0{national}"]
            ways += [f"{prefix}{whole.lstrip('+')}" for prefix in before]
        except phonenumbers.NumberParseException:
            pass
        for way in ways:
            if len(way.lstrip("+")) <= DIALLED_MAX:
                found.setdefault(way, line)
    return list(found.items())


def caller_id(settings: Settings) -> str:
    """The number that we call from, without a name. Raises `SettingsWrong` for what is no number."""
    found = settings.trunk_caller_id or settings.line_numbers[0]
    if not re.fullmatch(r"\+?\d{3,20}", found):
        raise SettingsWrong(
            f"FREELINE_TRUNK_CALLER_ID holds {found!r}: give 3 to 20 digits, with or without a leading +"
        )
    return found


def _module_list(asterisk: Asterisk) -> list[str]:
    opus = next((name for name in modules.OPUS if asterisk.has(name)), None)
    return modules.module_names() + ([opus] if opus else [])


def _networks(name: str, listed: str) -> list[str]:
    """The addresses, networks or host names of a setting. Raises `SettingsWrong` for anything else, and for none."""
    found = [part.strip() for part in listed.split(",") if part.strip()]
    for part in found:
        try:
            ipaddress.ip_network(part, strict=False)
        except ValueError:
            if not re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?", part):
                raise SettingsWrong(f"FREELINE_{name} holds {part!r}: give addresses or networks") from None
    if not found:
        raise SettingsWrong(f"FREELINE_{name} is empty: give addresses or networks")
    return found


def _run_folder(settings: Settings) -> Path:
    """Where the control socket is. A unix socket's path has a limit, so a deep data folder gets one in /tmp."""
    wanted = settings.asterisk / "run"
    if len(str(wanted / "asterisk.ctl")) < SOCKET_PATH_LIMIT:
        return wanted
    mark = hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
    return temporary_folder() / f"freeline-{os.getuid()}-{mark}"


def temporary_folder() -> Path:
    """Where temporary files go. Python's own look for one writes into it first, and fails when the disk is full."""
    return Path(tempfile.tempdir or os.environ.get("TMPDIR") or "/tmp")  # noqa: S108


def _safe(value: object) -> str:
    """A value as a line of Asterisk's configuration holds it: one line, and a semicolon begins no comment."""
    text = str(value)
    if any(ord(character) < 32 for character in text):
        raise SettingsWrong("a setting for Asterisk holds a line break or another control character")
    return text.replace(";", r"\;")


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
    return True
