"""Agents' phones as the operator acts on them: the one in a page, and the mobile at home."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from telephony import names
from telephony.operator.ami_actions import BROKEN, Actor

NUMBER = re.compile(r"\+?\d{2,20}")


@dataclass(frozen=True)
class PhoneSecret:
    """What a page registers its phone with: good until the next is made, or the agent signs out."""

    user: str
    secret: str
    realm: str


class AgentPhones:
    """The part of the operator that knows phones, and no conversation."""

    def __init__(self, asterisk: Actor) -> None:
        self._asterisk = asterisk

    def new_phone(self, agent_id: int) -> PhoneSecret:
        """A fresh secret for an agent's phone in the browser; what they had before is refused from now on."""
        user, secret = names.agent_endpoint(agent_id), secrets.token_urlsafe(24)
        digest = hashlib.md5(f"{user}:{names.REALM}:{secret}".encode()).hexdigest()  # noqa: S324  (SIP digest is MD5)
        self._asterisk.by_http(lambda ari: ari.put_browser(agent_id, digest))
        return PhoneSecret(user, secret, names.REALM)

    def drop_phone(self, agent_id: int) -> None:
        """Take an agent's phone away, at sign-out; without one nothing happens."""
        self._asterisk.by_http(lambda ari: ari.drop_phone(agent_id))

    def page_gone(self, agent_id: int) -> None:
        """The page with the agent's phone is gone, and every leg with it: end them as broken, so that the worker is brought
        back now, and not when Asterisk notices the silence."""
        phone = f"{names.agent_interface(agent_id)}-"
        for row in self._asterisk.channels():
            if row.get("Channel").startswith(phone):
                self._asterisk.hang_up(row.get("Channel"), BROKEN)

    def set_mobile(self, agent_id: int, number: str | None) -> None:
        """Tell Asterisk the number of an agent's mobile; None takes it away. It is in Asterisk's memory only.

        Raises ValueError for anything but digits, with or without a leading +.
        """
        if number is not None:
            check(NUMBER, number)
        self._asterisk.put(_mobile(agent_id), number or "")

    def mobiles_missing(self, agent_ids: Iterable[int]) -> set[int]:
        """Return those of these agents whose mobile Asterisk does not know, as after its restart."""
        return {agent_id for agent_id in agent_ids if not self._asterisk.read(_mobile(agent_id))}


def _mobile(agent_id: int) -> str:
    return f"{names.MOBILE_PREFIX}{agent_id}"


def check(pattern: re.Pattern[str], *words: str) -> None:
    """Raise ValueError for a word that holds other characters than the dialplan may be given."""
    if not all(pattern.fullmatch(word) for word in words):
        raise ValueError("not allowed in the dialplan")
