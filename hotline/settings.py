"""Settings, from the environment with the prefix FREELINE_; `_FILE` variants read a secret from a file."""

import ipaddress
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import phonenumbers
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hotline.errors import SettingsWrong
from hotline.numbers import NO_PREFIX, Numbering

PREFIX = "FREELINE_"
ROOT = Path(__file__).resolve().parent.parent
_SERVER = r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?"
_ICE = {
    "stun_urls": (re.compile(rf"stuns?:{_SERVER}"), "stun:stun.example.org:3478"),
    "turn_urls": (re.compile(rf"turns?:{_SERVER}(\?transport=(udp|tcp))?"), "turn:turn.example.org:3478"),
}
_PREFIXES = {
    "trunk_international_prefixes": (re.compile(r"\+|[0-9]{1,6}"), "00"),
    "trunk_national_prefix": (re.compile(rf"[0-9]{{1,3}}|{NO_PREFIX}"), f"0, or {NO_PREFIX}"),
    "dial_prefixes": (re.compile(r"\+[1-9][0-9]{0,14}"), "+66190"),
}


class Settings(BaseSettings):
    """What an organisation sets outside the screen. Durations are seconds; times of day are in `timezone`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    data: Path = Path("var")
    cache: Path = Field(default_factory=lambda: Path.home() / ".cache" / "freeline")
    database_url: str = ""
    database_connections: int = Field(default=15, ge=1)
    redis_url: str = ""
    console_host: str = "127.0.0.1"
    console_port: int = 8080
    sip_host: str = "0.0.0.0"  # noqa: S104  (phones on other machines are the purpose)
    sip_port: int = 5060
    rtp_ports: str = "10000-10599"
    asterisk_http_host: str = "127.0.0.1"
    asterisk_http_port: int = 8088
    ami_host: str = "127.0.0.1"
    ami_port: int = 5038
    agi_host: str = "127.0.0.1"
    agi_port: int = 4573
    lines: str = "1800123456"
    trunk_host: str = ""
    trunk_match: str = "127.0.0.1"
    trunk_user: str = ""
    trunk_password: str = ""
    trunk_caller_id: str = ""
    trunk_international_prefixes: str = ""
    trunk_national_prefix: str = ""
    trunk_e164_without_plus: bool = False
    trunk_withheld: str = ""
    dial_countries: str = ""
    dial_prefixes: str = ""
    # Where the trunk says who calls: From, or P-Asserted-Identity.
    trunk_number_header: Literal["From", "P-Asserted-Identity"] = "From"
    external_ip: str = ""
    stun_urls: str = ""
    turn_urls: str = ""
    turn_secret: str = Field(default="", validate_default=True)
    local_networks: str = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8"
    timezone: str = "Asia/Bangkok"
    country: str = "TH"
    public_url: str = ""
    secure_cookies: bool = False
    behind_proxy: bool = False
    # Set by docker-compose.yml: each process has a container of its own, and the data folder itself cannot be written;
    # where the front that serves PUBLIC_URL is found from inside.
    apart: bool = False
    front: str = ""

    calls_at_once: int = 200
    wrap_up_s: int = 120
    page_silent_s: int = 15
    come_back_s: int = 20
    mobile_ring_s: int = 25
    mobile_rest_s: int = 600
    callback_ring_s: int = 30
    callback_again_s: int = 2 * 3600
    callback_tries: int = 3
    limit_days: int = 7
    backup_after_s: int = 20
    comfort_every_s: int = 30
    ring_s: int = 20
    limit_unanswered_s: int = 1800
    limit_talking_s: int = 4 * 3600
    message_max_s: int = 300
    message_silence_s: int = 20
    free_space_floor_mb: int = 200
    reserve_mb: int = Field(default=20, ge=0)
    join_within_s: int = 15 * 60
    brief_abandon_s: int = 10
    wrong_keys: int = 3
    menu_wait_s: int = 5
    # How long a script of the ivr may be silent before its first word; with the net's own first word it stays under three
    # seconds. The database is given up after 1.5 s.
    first_word_s: float = Field(default=2.3, ge=1.0, le=60.0)
    lease_s: int = 300
    tries: int = 3
    workers: int = 1
    # Of background work: how long a worker that says nothing keeps a job, and how often one is tried.
    job_lease_s: int = Field(default=60, ge=1)
    job_tries: int = Field(default=5, ge=1)
    audio_days: int = 30
    audit_path: str = ""
    sign_in_h: int = 12
    cases_an_hour: int = Field(default=60, ge=1)
    numbers_an_hour: int = Field(default=20, ge=1)
    audio_an_hour: int = Field(default=40, ge=1)
    supervisor_times: int = Field(default=5, ge=1)
    unusual_pause_s: int = Field(default=60, ge=1, le=600)
    second_person_h: int = Field(default=24, ge=1)
    backup_for: str = ""
    backup_passphrase: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: Any) -> Any:
        """FREELINE_X_FILE gives X from a file, for secrets that should not be in the environment."""
        for name in cls.model_fields:
            path = os.environ.get(f"{PREFIX}{name.upper()}_FILE")
            if path and isinstance(values, dict) and name not in values:
                try:
                    values[name] = Path(path).read_text().strip()
                except OSError as error:
                    raise SettingsWrong(f"{PREFIX}{name.upper()}_FILE cannot be read: {error.strerror}") from error
        return values

    @field_validator("data", "cache")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, OSError) as error:
            raise ValueError("this is no time zone; one is Asia/Bangkok") from error
        return value

    @field_validator("country", "dial_countries")
    @classmethod
    def _known_country(cls, value: str, info: ValidationInfo) -> str:
        codes = [code.upper() for code in _listed(value)]
        one = info.field_name == "country"
        if (one and len(codes) != 1) or not set(codes) <= phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("give codes of two letters, with commas" if not one else "give one code, such as TH")
        return ",".join(codes)

    @field_validator("trunk_international_prefixes", "dial_prefixes", "trunk_national_prefix")
    @classmethod
    def _prefixes(cls, value: str, info: ValidationInfo) -> str:
        shape, example = _PREFIXES[str(info.field_name)]
        for prefix in _listed(value):
            if not shape.fullmatch(prefix):
                raise ValueError(f"{prefix!r} is no such prefix; one is {example}")
        return value

    @field_validator("rtp_ports")
    @classmethod
    def _port_range(cls, value: str) -> str:
        first, _, last = value.partition("-")
        if not (first.isdigit() and last.isdigit() and 1024 <= int(first) < int(last) <= 65535):
            raise ValueError("RTP_PORTS is FIRST-LAST, for example 10000-10599")
        return value

    @field_validator("external_ip")
    @classmethod
    def _address(cls, value: str) -> str:
        if value:
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError("give the address itself, for example 203.0.113.7, not a name") from None
        return value

    @field_validator("stun_urls", "turn_urls")
    @classmethod
    def _ice_urls(cls, value: str, info: ValidationInfo) -> str:
        shape, example = _ICE[str(info.field_name)]
        for url in _listed(value):
            if not shape.fullmatch(url):
                raise ValueError(f"{url!r} is not of the kind {example}")
        return value

    @field_validator("turn_secret")
    @classmethod
    def _with_turn(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("turn_urls") and not value:
            raise ValueError("TURN_URLS needs the static-auth-secret of the TURN server here, or in TURN_SECRET_FILE")
        return value

    @property
    def stun_servers(self) -> list[str]:
        """URLs of STUN servers, which tell a browser or Asterisk its address behind NAT."""
        return _listed(self.stun_urls)

    @property
    def turn_servers(self) -> list[str]:
        """URLs of TURN servers, which relay the sound of a browser that no other way leads to."""
        return _listed(self.turn_urls)

    @property
    def zone(self) -> ZoneInfo:
        """The line's own time zone."""
        return ZoneInfo(self.timezone)

    @property
    def database(self) -> str:
        """The database's URL: SQLite in the data folder unless set."""
        if self.database_url:
            return self.database_url.replace("postgresql://", "postgresql+psycopg://", 1)
        return f"sqlite:///{self.data / 'freeline.db'}"

    @property
    def redis(self) -> str:
        """Redis's URL: a private server on a unix socket in the data folder unless set."""
        return self.redis_url or f"unix://{self.run / 'redis.sock'}"

    @property
    def run(self) -> Path:
        """Sockets, process ids, what the supervisor knows, and when the last backup was made."""
        return self.data / "run"

    @property
    def work(self) -> Path:
        """Where files may lie that are needed for a while only."""
        return self.run if self.apart else self.data

    @property
    def spool(self) -> Path:
        """Where Asterisk leaves recordings and the net its notes, until the transcriber has ingested them."""
        return self.data / "spool"

    @property
    def vault(self) -> Path:
        """Encrypted recordings."""
        return self.data / "vault"

    @property
    def keys(self) -> Path:
        """The age key pair and the index key."""
        return self.data / "keys"

    @property
    def audit_anchors(self) -> Path:
        """Where the head of the audit chain is written down each hour."""
        return Path(self.audit_path).expanduser() if self.audit_path else self.data / "audit" / "anchors.jsonl"

    @property
    def sounds(self) -> Path:
        """Built prompts, one folder a language, headerless 8 kHz slin."""
        return self.data / "sounds"

    @property
    def own_prompts(self) -> Path:
        """Where the organisation drops its own recordings: prompts/LANGUAGE/NAME.wav."""
        return self.data / "prompts"

    @property
    def speech_models(self) -> Path:
        """Speech models, one folder each."""
        return self.data / "speech-models"

    @property
    def asterisk(self) -> Path:
        """Asterisk's rendered configuration and all it changes."""
        return self.data / "asterisk"

    @property
    def numbering(self) -> Numbering:
        """How the trunk writes numbers, and which may be dialled."""
        return Numbering(
            country=self.country,
            international=tuple(p for p in _listed(self.trunk_international_prefixes) if p != "+"),
            national=self.trunk_national_prefix,
            e164_without_plus=self.trunk_e164_without_plus,
            stand_ins=tuple(_listed(self.trunk_withheld)),
            ours=(*self.line_numbers, *_listed(self.trunk_caller_id)),
            dial_countries=tuple(_listed(self.dial_countries)),
            dial_prefixes=tuple(_listed(self.dial_prefixes)),
        )

    @property
    def line_numbers(self) -> list[str]:
        """The numbers workers dial."""
        return _listed(self.lines)


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once. Raises `SettingsWrong` with what to mend."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors() if e["loc"]]
        raise SettingsWrong("; ".join(wrong)) from error
