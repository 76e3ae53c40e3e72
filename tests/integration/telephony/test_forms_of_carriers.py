"""How carriers write our number, the caller's and what they want hidden: real INVITEs into one real Asterisk.

The Asterisk is started once for the module: each test is a handful of packets.
"""

import json
import shutil
from collections.abc import Iterator

import pytest

from hotline.settings import Settings
from models import RefusedKind
from ops.place_call import place
from telephony import names
from telephony.asterisk.render import dialled_lines, folders
from telephony.clients.ami import Ami, AmiMessage, Events
from telephony.switchboard.refusals import Refusals
from tests.support.asterisk import AsteriskUnderTest
from tests.support.invites import invite, inviting
from tests.support.ports import free_port, rtp_range
from tests.support.wait import until

OURS, FOREIGN = "127.0.0.1", "127.0.0.9"
CARRIER = {"trunk_match": "127.0.0.1", "trunk_international_prefixes": "00,009"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsteriskUnderTest]:
    """An Asterisk without prompts: who comes through is answered, and that is all that is asked of it here."""
    settings = Settings(
        data=tmp_path_factory.mktemp("carriers") / "data",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        rtp_ports=rtp_range(),
        asterisk_http_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
        **CARRIER,
    )
    one = AsteriskUnderTest(settings, {"FREELINE_NO_KEY": "en"})
    with one:
        yield one
    shutil.rmtree(folders(settings)["run"], ignore_errors=True)


@pytest.fixture
def server(line: AsteriskUnderTest) -> tuple[str, int]:
    """Where it listens."""
    return line.settings.sip_host, line.settings.sip_port


@pytest.fixture
def refused(line: AsteriskUnderTest) -> Iterator[Refusals]:
    """What the switchboard would count: the calls' own events, and those of strangers."""
    counted = Refusals()
    lines = dict(dialled_lines(line.settings))
    address, secret = (line.settings.ami_host, line.settings.ami_port), line.running.secrets.ami_reader

    class Heard(Events):
        def put(
            self, item: AmiMessage | list[AmiMessage] | None, block: bool = True, timeout: float | None = None
        ) -> None:
            if isinstance(item, AmiMessage):
                counted.heard(item, lines)

    reader = Ami(address, names.AMI_READER, secret, Heard())
    watcher = Ami(address, names.AMI_WATCHER, secret, counted)  # type: ignore[arg-type]
    reader.connect()
    watcher.connect()
    yield counted
    reader.close()
    watcher.close()


@pytest.mark.parametrize(
    "uri",
    [
        "sip:1800123456@SERVER",
        "sip:+661800123456@SERVER",
        "sip:661800123456@SERVER",
        "sip:00661800123456@SERVER",
        "sip:009661800123456@SERVER",
        "sip:0661800123456@SERVER",
        "sip:01800123456@SERVER",
        "sip:+661800123456;npdi@SERVER",
        "sip:+661800123456;npdi;rn=+6620000000@SERVER;user=phone",
        "sip:+661800123456;rn=6620000000;npdi=yes@SERVER",
        "sip:1800123456;phone-context=+66@SERVER;user=phone",
        "sip:1800123456;phone-context=ims.example@SERVER",
        "sip:%2B661800123456@SERVER",
        "sip:+661800123456@SERVER;user=phone;transport=udp",
        "tel:+661800123456",
        "tel:1800123456;phone-context=+66",
        "tel:+661800123456;npdi;rn=+6620000000",
    ],
)
def test_each_way_to_write_our_number_reaches_the_line(server: tuple[str, int], uri: str) -> None:
    assert invite(server, uri) == 200


def number_seen(line: AsteriskUnderTest, caller: str, *headers: tuple[str, str]) -> str:
    """What the dialplan keeps of the caller's number: the net writes it, and nothing else of ours runs."""
    until(lambda: line.channels == 0)
    spool = line.settings.spool
    before = set(spool.glob("*.call"))
    server = line.settings.sip_host, line.settings.sip_port
    with inviting(server, "sip:1800123456@SERVER", caller=caller, headers=headers) as status:
        assert status == 200

        def noted() -> str:
            fresh = set(spool.glob("*.call")) - before
            return next((text for path in fresh if (text := path.read_text()).endswith("\n")), "")

        return str(json.loads(until(noted).splitlines()[0])["number"])


NUMBER = "<sip:0812345678@127.0.0.1>"


@pytest.mark.parametrize(
    ("caller", "header", "number"),
    [
        (NUMBER, None, "0812345678"),
        ("<sip:+66812345678@127.0.0.1;user=phone>", None, "+66812345678"),
        ("<sip:+66812345678;cpc=ordinary@127.0.0.1>", None, "+66812345678"),
        ("<tel:+66812345678>", None, "+66812345678"),
        (NUMBER, ("Privacy", "none"), "0812345678"),
        (NUMBER, ("Privacy", "id"), ""),
        (NUMBER, ("Privacy", "header;id"), ""),
        (NUMBER, ("Privacy", "user;critical"), ""),
        (NUMBER, ("Privacy", "ID"), ""),
        (NUMBER, ("Remote-Party-ID", f"{NUMBER};party=calling;privacy=full;screen=yes"), ""),
        (NUMBER, ("Remote-Party-ID", f'{NUMBER};privacy="uri"'), ""),
        (NUMBER, ("Remote-Party-ID", f"{NUMBER};party=calling;privacy=off"), "0812345678"),
        ("<sip:anonymous@anonymous.invalid>", None, ""),
        ("<sip:a0812345678@127.0.0.1>", None, ""),
        ("<sip:0812345678x12@127.0.0.1>", None, ""),
        ("<sip:0812345678%0D%0AEvent@127.0.0.1>", None, ""),
        ("<sip:0812345678,1@127.0.0.1>", None, ""),
        ("<sip:$%7BFREELINE_TOKEN%7D@127.0.0.1>", None, ""),
        ("<sip:127.0.0.1>", None, ""),
    ],
)
def test_a_number_is_taken_only_when_it_is_shown_and_nothing_but_a_number(
    line: AsteriskUnderTest, caller: str, header: tuple[str, str] | None, number: str
) -> None:
    assert number_seen(line, caller, *([header] if header else [])) == number


def test_a_number_that_is_not_ours_is_refused_and_counted_by_its_shape(
    server: tuple[str, int], refused: Refusals, line: AsteriskUnderTest
) -> None:
    for uri in ("sip:991800123456@SERVER", "sip:0819876543@SERVER", "sip:+85512345678@SERVER", "tel:+85512345678"):
        assert invite(server, uri) == 404
    found: dict[tuple[RefusedKind, str], int] = {}

    def all_of_them() -> bool:
        for key, count in refused.take().items():
            found[key] = found.get(key, 0) + count
        return sum(found.values()) >= 4

    until(all_of_them)
    unknown = RefusedKind.UNKNOWN_NUMBER
    assert found == {(unknown, "9918001ddddd"): 1, (unknown, "0ddddddddd"): 1, (unknown, "+ddddddddddd"): 2}
    assert "0819876543" not in line.log


@pytest.mark.parametrize(
    "user", ["call", "s", "h", "T", "i", "echo", "1%0D%0A", "1800123456%0D%0AEvent:%20X", "x1800123456"]
)
def test_what_is_no_number_reaches_nothing(server: tuple[str, int], user: str) -> None:
    assert invite(server, f"sip:{user}@SERVER") in {404, 484}


def test_a_call_from_an_address_that_is_no_carriers_is_counted(server: tuple[str, int], refused: Refusals) -> None:
    assert invite(server, "sip:1800123456@SERVER", host=FOREIGN) == 401
    found = until(lambda: dict(refused.take()))
    assert found == {(RefusedKind.FOREIGN_ADDRESS, FOREIGN): 1}


def test_a_flood_of_strangers_is_a_number_and_no_queue(server: tuple[str, int], refused: Refusals) -> None:
    for _ in range(60):
        invite(server, "sip:1800123456@SERVER", host=FOREIGN, within_s=2)
    total = 0

    def counted() -> bool:
        nonlocal total
        total += sum(refused.take().values())
        return total >= 60

    until(counted)
    assert len(refused.take()) <= 1


def test_the_command_calls_beside_a_real_trunk_with_the_callers_account(line: AsteriskUnderTest) -> None:
    """Here loopback is the trunk too; what is said shows that the account was taken, and that it is let in."""
    told: list[str] = []
    elsewhere = line.settings.model_copy(update={"trunk_match": "192.0.2.1,198.51.100.0/24"})
    place(elsewhere, press="", hangup_after_s=0.1, say=told.append)
    assert told[0].startswith("the trunk is elsewhere")
    assert "answered" in told
    told.clear()
    place(line.settings, press="", hangup_after_s=0.1, say=told.append)
    assert told[0] == "answered"
