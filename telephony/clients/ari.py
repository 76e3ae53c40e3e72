"""Agents' phones in Asterisk: pushed through ARI into its memory, so that no secret and no person is in its files.

A restart of Asterisk forgets them; whoever keeps them looks which are there and pushes again.
"""

import base64
import http.client
import json
import re
import threading
from collections.abc import Mapping

from hotline.errors import FreelineError
from telephony import names

_PUTTING = threading.Lock()  # of two that look at once, both would find it missing
_HA1 = re.compile(r"[0-9a-f]{32}")
_CONFIG = "/ari/asterisk/config/dynamic/res_pjsip"

_AOR = {
    "max_contacts": "1",
    "remove_existing": "yes",
    "qualify_frequency": "30",
    "default_expiration": "120",
    "maximum_expiration": "600",
}
_ENDPOINT = {
    "context": names.CONTEXT_AGENTS,
    "message_context": names.CONTEXT_NOBODY,
    "disallow": "all",
    "direct_media": "no",
    "device_state_busy_at": "1",
    # Browsers and phones come from behind a translator of addresses.
    "rewrite_contact": "yes",
    "rtp_symmetric": "yes",
    "force_rport": "yes",
    # The console moves calls, never a phone.
    "allow_transfer": "no",
    "allow_subscribe": "no",
    "trust_id_outbound": "no",
    "send_pai": "no",
    "send_rpid": "no",
    "rtp_timeout_hold": "30",
}
# A phone that is gone says nothing: without a timeout its leg stays up for minutes. Some are silent for a while when muted;
# a browser never is. What `webrtc` switches on stays on when it is switched off, so each is said.
_DESK = {
    "allow": "opus,ulaw,alaw",
    "rtp_timeout": "15",
    "webrtc": "no",
    "media_encryption": "no",
    "use_avpf": "no",
    "ice_support": "no",
    "rtcp_mux": "no",
    "bundle": "no",
}
_BROWSER = {"allow": "opus,ulaw", "rtp_timeout": "5", "webrtc": "yes"}


class AriFailed(FreelineError):
    """Asterisk's HTTP server does not answer or will not do this."""


class Ari:
    """Asterisk's HTTP API at `address` (host, port). Every call is one short connection."""

    def __init__(self, address: tuple[str, int], user: str, password: str, timeout_s: float = 5.0) -> None:
        self.address, self.timeout_s = address, timeout_s
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def put_phone(self, agent_id: int, ha1: str) -> None:
        """Make or change an agent's SIP phone by its secret's digest. Raises `AriFailed`; ValueError for no digest."""
        self._put(agent_id, ha1, _DESK)

    def put_browser(self, agent_id: int, ha1: str) -> None:
        """The same for a phone in a browser, which speaks WebRTC."""
        self._put(agent_id, ha1, _BROWSER)

    def _put(self, agent_id: int, ha1: str, kind_of_phone: Mapping[str, str]) -> None:
        if not _HA1.fullmatch(ha1):
            raise ValueError("this is no MD5 digest of a phone's secret")
        name = names.agent_endpoint(agent_id)
        auth = {"auth_type": "md5", "username": name, "realm": names.REALM, "md5_cred": ha1}
        endpoint = {**_ENDPOINT, **kind_of_phone, "auth": name, "aors": name}
        self._ask("PUT", "auth", name, auth)
        # Each is put only where it is missing or differs. An address put twice keeps every phone that ever registered, and
        # the newest is not asked whether it is there: it never rings. An endpoint put twice makes Asterisk warn.
        # The address comes last. A phone that registered before Asterisk crashed is remembered, and asked whether it is
        # there a moment after its address is put; with no endpoint yet it is not asked for another `qualify_frequency`.
        with _PUTTING:
            if self._kept("endpoint", name).get("webrtc") != kind_of_phone["webrtc"]:
                self._ask("PUT", "endpoint", name, endpoint)
            if not self._kept("aor", name):
                self._ask("PUT", "aor", name, _AOR)

    def drop_phone(self, agent_id: int) -> None:
        """Take an agent's phone away; without one nothing happens. Raises `AriFailed`."""
        for kind in ("endpoint", "aor", "auth"):  # what refers to others goes first
            self._ask("DELETE", kind, names.agent_endpoint(agent_id), missing_ok=True)

    def _kept(self, kind: str, name: str) -> dict[str, str]:
        """Return what Asterisk has of this kind under a name; empty when there is none."""
        body = self._ask("GET", kind, name, missing_ok=True)
        try:
            rows = json.loads(body)
            return {row["attribute"]: row["value"] for row in rows} if isinstance(rows, list) else {}
        except (ValueError, KeyError, TypeError) as error:
            raise AriFailed("Asterisk's HTTP server answered with something else") from error

    def _ask(
        self, method: str, kind: str, name: str, fields: Mapping[str, str] | None = None, *, missing_ok: bool = False
    ) -> bytes:
        pairs = [{"attribute": key, "value": value} for key, value in (fields or {}).items()]
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(*self.address, timeout=self.timeout_s)
        try:
            connection.request(method, f"{_CONFIG}/{kind}/{name}", json.dumps({"fields": pairs}), headers)
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise AriFailed("Asterisk's HTTP server does not answer") from error
        finally:
            connection.close()
        if status >= 300 and not (missing_ok and status == 404):
            raise AriFailed(f"Asterisk answered {status} to {method} of a phone's {kind}")
        return body if status < 300 else b"{}"
