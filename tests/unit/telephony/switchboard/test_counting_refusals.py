"""What the switchboard counts of Asterisk's refusals: shapes and addresses in a table of a fixed size."""

import pytest

from models import RefusedKind
from telephony.switchboard.refusals import KINDS, Refusals
from tests.support.ami_wire import TRUNK, event

LINES = {"1800123456": "1800123456", "661800123456": "1800123456"}
UNKNOWN = RefusedKind.UNKNOWN_NUMBER


def security(name: str, remote: str = "IPV4/UDP/192.0.2.9/5060", service: str = "PJSIP") -> dict[str, str]:
    return {"Service": service, "RemoteAddress": remote, "AccountID": "0812345678"}


@pytest.mark.parametrize(
    ("headers", "counted"),
    [
        ({"Exten": "9901800123456"}, {(UNKNOWN, "99018001ddddd"): 1}),
        ({"Exten": "0899999999"}, {(UNKNOWN, "0ddddddddd"): 1}),
        ({"Exten": "1800123456"}, {}),
        ({"Exten": "call"}, {}),
        ({"Exten": "1800\r\nEvent: Hangup"}, {}),
        ({"Exten": "0899999999", "Context": "freeline"}, {}),
    ],
)
def test_a_call_for_no_line_of_ours_is_counted(headers: dict[str, str], counted: dict[object, int]) -> None:
    refusals = Refusals()
    refusals.heard(event("Newchannel", TRUNK | headers), LINES)
    assert refusals.take() == counted
    assert refusals.take() == {}


@pytest.mark.parametrize(
    ("name", "headers", "counted"),
    [
        ("InvalidAccountID", security(""), {(RefusedKind.FOREIGN_ADDRESS, "192.0.2.9"): 1}),
        ("ChallengeResponseFailed", security(""), {(RefusedKind.WRONG_PASSWORD, "192.0.2.9"): 1}),
        ("InvalidPassword", security("", service="AMI"), {}),
        ("SuccessfulAuth", security(""), {}),
        ("InvalidAccountID", security("", remote="IPV4/UDP/0812345678/5060"), {}),
        ("InvalidAccountID", security("", remote=""), {}),
    ],
)
def test_strangers_are_counted_by_their_address(name: str, headers: dict[str, str], counted: dict[object, int]) -> None:
    refusals = Refusals()
    refusals.put(event(name, headers))
    assert refusals.take() == counted


def test_a_lost_connection_and_a_flood_of_addresses_take_no_more_room() -> None:
    refusals = Refusals()
    refusals.put(None)
    for n in range(3 * KINDS):
        refusals.put(event("InvalidAccountID", security("", f"IPV4/UDP/10.0.{n // 250}.{n % 250}/5060")))
    counts = refusals.take()
    assert len(counts) <= KINDS + 1
    assert sum(counts.values()) == 3 * KINDS
