"""The doctor reads the registration from a real Asterisk; the carrier at the other end is a few lines."""

import socket
import threading
from collections.abc import Callable

import pytest

from hotline.settings import Settings
from ops import registration
from ops.status import status
from telephony.softphone import sip
from tests.support.asterisk import AsteriskUnderTest
from tests.support.wait import until

Start = Callable[[Settings], AsteriskUnderTest]


@pytest.mark.parametrize(("status_of_carrier", "state"), [(200, "Registered"), (403, "Rejected")])
def test_the_carriers_word_on_our_registration_is_seen(
    settings: Settings, start_asterisk: Start, status_of_carrier: int, state: str
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))

        def carrier() -> None:
            while True:
                packet, peer = line.recvfrom(4096)
                request = sip.read(packet)
                if request is None:
                    return
                answer = sip.answer_to(request, status_of_carrier, "As It Is", "carrier")
                answer.headers += [("Contact", request.get("Contact")), ("Expires", "600")]
                line.sendto(answer.to_bytes(), peer)

        thread = threading.Thread(target=carrier, daemon=True)
        thread.start()
        host = f"127.0.0.1:{line.getsockname()[1]}"
        told = settings.model_copy(update={"trunk_host": host, "trunk_user": "freeline", "trunk_password": "x"})
        assert registration.state(told) == "", "nothing runs yet"
        start_asterisk(told)
        until(lambda: registration.state(told) == state)
        found = status(told)
        assert found["trunk"] == ("ok" if status_of_carrier == 200 else "refused by the carrier (403)")
        line.sendto(b"stop", line.getsockname())
        thread.join(5)
