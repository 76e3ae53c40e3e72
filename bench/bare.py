"""Asterisk alone with the least configuration that queues a caller for one agent: what Freeline is compared with."""

import textwrap

from hotline.settings import Settings
from telephony.ami import Ami, Events
from telephony.obtain import find_asterisk
from telephony.render import EMPTY, folders
from telephony.run_asterisk import RunningAsterisk

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


class BareAsterisk(RunningAsterisk):
    """The same program, started the same way, with a configuration of its own."""

    def render(self, menu: object) -> set[str]:  # noqa: ARG002  (there is none)
        """Write the configuration."""
        etc = self.settings.asterisk / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        for name in (*EMPTY, "confbridge", "queuerules"):
            (etc / f"{name}.conf").write_text("")
        for name, text in _files(self.settings, str(self.asterisk.modules), str(self.asterisk.share)).items():
            (etc / f"{name}.conf").write_text(textwrap.dedent(text))
        return set()


def start(settings: Settings) -> BareAsterisk:
    """Start it and wait until it has booted."""
    bare = BareAsterisk(settings, find_asterisk(settings))
    bare.launch({})
    if not bare.wait_booted():
        raise RuntimeError(f"Asterisk alone did not start: {bare.console.read_text()[-2000:]}")
    return bare


def connect(settings: Settings, events: Events | None) -> Ami:
    """Its AMI, for everything."""
    ami = Ami((settings.ami_host, settings.ami_port), "bench", SECRET, events)
    ami.connect()
    return ami


def _files(settings: Settings, modules: str, share: str) -> dict[str, str]:
    places = folders(settings)
    first, _, last = settings.rtp_ports.partition("-")
    return {
        "asterisk": f"""\
            [directories]
            astetcdir => {places["etc"]}
            astmoddir => {modules}
            astvarlibdir => {places["var"]}
            astdbdir => {places["var"]}
            astkeydir => {places["var"]}
            astdatadir => {share}
            astagidir => {places["var"]}
            astspooldir => {places["var"]}
            astrundir => {places["run"]}
            astlogdir => {places["log"]}
            """,
        "modules": "[modules]\nautoload = no\n" + "".join(f"load => {one}.so\n" for one in MODULES.split()),
        "logger": """\
            [logfiles]
            messages.log => error,warning
            """,
        "rtp": f"""\
            [general]
            rtpstart = {first}
            rtpend = {last}
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
            member => PJSIP/{AGENT}
            """,
        "extensions": f"""\
            [line]
            exten => _X.,1,Answer()
             same => n,Queue({QUEUE})
            """,
        "pjsip": f"""\
            [global]
            type = global
            endpoint_identifier_order = username,ip
            [udp]
            type = transport
            protocol = udp
            bind = 127.0.0.1:{settings.sip_port}
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
            allow = ulaw
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
