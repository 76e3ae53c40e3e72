"""Asterisk alone with the smallest configuration that does the same, for comparison with Freeline."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from hotline.settings import Settings
from telephony.asterisk.obtain import find_asterisk
from telephony.asterisk.process import RunningAsterisk
from telephony.asterisk.render import EMPTY, folders
from telephony.clients.ami import Ami, Events

QUEUE = "bare"
AGENT = "agent1"
# It listens on loopback only, while the benchmark runs.
SECRET = "of-a-benchmark"
MODULES = (
    "res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_musiconhold res_pjproject res_pjsip "
    "res_pjsip_session res_pjsip_sdp_rtp res_pjsip_registrar res_pjsip_pubsub res_pjsip_authenticator_digest "
    "res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip res_pjsip_nat res_rtp_asterisk chan_pjsip "
    "pbx_config app_dial app_queue bridge_simple bridge_native_rtp bridge_softmix codec_ulaw format_pcm format_sln"
)

# Every caller is queued for the one agent.
QUEUES_ALL = f"""\
[line]
exten => _X.,1,Answer()
 same => n,Queue({QUEUE})
"""
# A browser's phone needs this as well.
WEBRTC_MODULES = (
    "res_http_websocket res_pjsip_transport_websocket res_crypto res_srtp codec_opus_open_source res_format_attr_opus"
)


class BareAsterisk(RunningAsterisk):
    """The same program, started the same way, with a configuration of its own."""

    webrtc = False
    dialplan = QUEUES_ALL
    more_modules = ""
    more_queue = ""

    def render(self, menu: object) -> set[str]:  # noqa: ARG002  (there is none)
        """Write the configuration."""
        etc = self.settings.asterisk / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        for name in (*EMPTY, "confbridge", "queuerules", "stasis"):
            (etc / f"{name}.conf").write_text("")
        for name, text in self._files().items():
            (etc / f"{name}.conf").write_text(textwrap.dedent(text))
        return set()

    def _modules(self) -> list[str]:
        wanted = f"{MODULES} {self.more_modules} {WEBRTC_MODULES if self.webrtc else ''}".split()
        return [name for name in dict.fromkeys(wanted) if self.asterisk.has(name)]

    def _files(self) -> dict[str, str]:
        settings, places = self.settings, folders(self.settings)
        first, _, last = settings.rtp_ports.partition("-")
        return {
            "asterisk": f"""\
                [directories]
                astetcdir => {places["etc"]}
                astmoddir => {self.asterisk.modules}
                astvarlibdir => {places["var"]}
                astdbdir => {places["var"]}
                astkeydir => {places["var"]}
                astdatadir => {self.asterisk.share}
                astagidir => {places["var"]}
                astspooldir => {places["var"]}
                astrundir => {places["run"]}
                astlogdir => {places["log"]}
                """,
            "modules": "[modules]\nautoload = no\n" + "".join(f"load => {one}.so\n" for one in self._modules()),
            "logger": """\
                [logfiles]
                messages.log => error,warning
                """,
            "rtp": f"""\
                [general]
                rtpstart = {first}
                rtpend = {last}
                """,
            "http": f"""\
                [general]
                enabled = {"yes" if self.webrtc else "no"}
                bindaddr = 127.0.0.1
                bindport = {settings.asterisk_http_port}
                """,
            "indications": """\
                [general]
                country = us
                [us]
                ringcadence = 2000,4000
                """,
            "musiconhold": f"""\
                [default]
                mode = files
                directory = {settings.asterisk / "hold"}
                """,
            "manager": f"""\
                [general]
                enabled = yes
                bindaddr = 127.0.0.1
                port = {settings.ami_port}
                timestampevents = yes
                [bench]
                secret = {SECRET}
                read = call,agent,reporting
                write = call,agent,reporting
                """,
            "queues": f"""\
                [general]
                [{QUEUE}]
                strategy = leastrecent
                ringinuse = no
                retry = 1
                timeout = 20
                autofill = yes
                {self.more_queue}
                member => PJSIP/{AGENT}
                """,
            "extensions": self.dialplan,
            "pjsip": f"""\
                [global]
                type = global
                endpoint_identifier_order = username,ip
                [udp]
                type = transport
                protocol = udp
                bind = 127.0.0.1:{settings.sip_port}
                [ws]
                type = transport
                protocol = ws
                bind = 127.0.0.1
                [trunk]
                type = endpoint
                context = line
                disallow = all
                allow = ulaw
                identify_by = ip
                [trunk]
                type = identify
                endpoint = trunk
                match = 127.0.0.1
                [{AGENT}]
                type = endpoint
                disallow = all
                allow = {"opus,ulaw" if self.webrtc else "ulaw"}
                webrtc = {"yes" if self.webrtc else "no"}
                auth = {AGENT}
                aors = {AGENT}
                [{AGENT}]
                type = auth
                auth_type = userpass
                username = {AGENT}
                password = {SECRET}
                [{AGENT}]
                type = aor
                max_contacts = 1
                remove_existing = yes
                """,
        }


def start(
    settings: Settings,
    *,
    webrtc: bool = False,
    dialplan: str = QUEUES_ALL,
    more_modules: str = "",
    announces: Sequence[Path] = (),
    every_s: int = 30,
) -> BareAsterisk:
    """Start it and wait until it has booted. `webrtc`: its agent has a browser. Callers come into `dialplan`'s [line].

    `announces` are sounds, without their endings, of which its queue plays the next every so many seconds.
    """
    bare = BareAsterisk(settings, find_asterisk(settings))
    bare.webrtc, bare.dialplan, bare.more_modules = webrtc, dialplan, more_modules
    if announces:
        every = f"periodic-announce-frequency = {every_s}\n"
        bare.more_queue = f"{every}{' ' * 16}periodic-announce = {','.join(map(str, announces))}"
    bare.launch({})
    if not bare.wait_booted():
        raise RuntimeError(f"Asterisk alone did not start: {bare.console.read_text()[-2000:]}")
    return bare


def connect(settings: Settings, events: Events | None) -> Ami:
    """Its AMI, for everything."""
    ami = Ami((settings.ami_host, settings.ami_port), "bench", SECRET, events)
    ami.connect()
    return ami
