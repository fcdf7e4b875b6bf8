"""Which hosts and addresses of the internet may be fetched from: public ones, written in one way only."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PORTS = {"http": 80, "https": 443}
MAX_URL = 2000
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")
_NETWORKS = [
    ipaddress.ip_network(each)
    for each in (
        # IANA's special-purpose registries, whatever this Python's `is_global` thinks of them
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # a cloud's metadata at a public address
        # IPv6: only 2000::/3 is public, and of it not what carries an IPv4 address or is set aside
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
]
_PUBLIC6 = ipaddress.ip_network("2000::/3")


class Refused(Exception):
    """A URL or an address that isn't fetched from; the message says why."""


@dataclass(frozen=True)
class Target:
    """Where a URL leads."""

    scheme: str
    host: str
    """In lower case, as ASCII, without a dot at the end; an IPv6 address without brackets."""
    port: int
    path: str
    """With the query."""
    url: str

    @property
    def authority(self) -> str:
        """The `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """Read a URL strictly.

    Raises:
        Refused: When it is no plain http(s) URL; the message says what is wrong.
    """
    if len(url) > MAX_URL:
        raise Refused(f"the URL has more than {MAX_URL:,} characters")
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in url):
        raise Refused("the URL has a space, a backslash or a character that can't be seen")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(f"the URL can't be read: {error}") from None
    if parts.scheme not in PORTS:
        raise Refused(f"only http and https are fetched, not {parts.scheme or 'a URL without a scheme'!r}")
    if "@" in parts.netloc:
        raise Refused("the URL has credentials in it")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, _host(parts.hostname or ""), port or PORTS[parts.scheme], path, url)


def _host(text: str) -> str:
    if "%" in text:
        raise Refused("the host has a zone or an escape in it")
    if ":" in text:
        try:
            return str(ipaddress.IPv6Address(text))
        except ValueError:
            raise Refused(f"{text!r} is no IPv6 address") from None
    try:
        host = text.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        raise Refused(f"{text!r} is no host name") from None
    labels = host.split(".")
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused(f"{text!r} is no host name")
    if _NUMBER.fullmatch(labels[-1]):  # it would be read as an IPv4 address, in one of its many spellings
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise Refused(f"{text!r} is an address in a spelling that isn't taken") from None
    return host


def check_allowed(target: Target, allowed: Sequence[str]) -> None:
    """Whether one of the domains of the scope's table has the host.

    Args:
        target: Where a URL leads.
        allowed: `example.com`, `*.example.com` for all below it, either with `:PORT` for another port than the usual.

    Raises:
        Refused: When none has.
    """
    for entry in allowed:
        domain, _, port = entry.lower().partition(":")
        if target.port != (int(port) if port else PORTS[target.scheme]):
            continue
        if (domain.startswith("*.") and target.host.endswith(domain[1:])) or target.host == domain:
            return
    listed = ", ".join(allowed) or "none"
    raise Refused(f"{target.authority} is not among the websites that the scope allows ({listed})")


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet: not private, local, shared, reserved, or a way around that."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id or address.ipv4_mapped or address not in _PUBLIC6:
            return False  # also NAT64 (64:ff9b::/96), mapped and compatible addresses, link-local and unique local ones
        return not any(address in network for network in _NETWORKS if network.version == 6)
    return address.is_global and not any(address in network for network in _NETWORKS if network.version == 4)
