"""Where a request comes from, for the sign-in throttle only; it is hashed there and never logged."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

HOME = 64  # one IPv6 household or office has this many bits to itself, and can change the rest at will


def address_of(remote: str | None, forwarded: Sequence[str], *, behind_proxy: bool) -> str:
    """The browser's address. Behind a proxy it is the last one in X-Forwarded-For: the proxy wrote that, and anybody
    could have written those before it. IPv6 by its network; what is no address falls back to the connection's own.
    """
    if behind_proxy and forwarded:
        told = _plain(forwarded[-1].rpartition(",")[2])
        if told:
            return told
    return _plain(remote or "") or remote or ""


def _plain(text: str) -> str:
    """One address without its port, in one spelling; '' when it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> (128 - HOME) << (128 - HOME))}/{HOME}"
    return str(address)
