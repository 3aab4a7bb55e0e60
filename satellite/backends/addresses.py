"""Which addresses of a voice service may be used: plain text on loopback only, redirects inside the own domain only."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_URL = re.compile(r"[!-~]+")
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_SHARED_SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})
"""Below a two-letter country, these labels belong to nobody: `example.co.uk` is the domain, not `co.uk`."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart; `host` is in lower case without a final dot."""

    scheme: str
    host: str
    url: str
    query: str

    @property
    def is_loopback(self) -> bool:
        """True when the host can only be this machine."""
        return is_loopback(self.host)

    def with_parameter(self, name: str, value: str) -> str:
        """The URL with one more query parameter; name and value are percent-encoded already."""
        return f"{self.url}{'&' if self.query else '?'}{name}={value}"


def parse_address(url: str) -> Address | None:
    """The parts of an absolute URL; None when it is malformed or carries credentials or a fragment."""
    parts = _split(url)
    if parts is None or "@" in parts.netloc or "#" in url or "\\" in url:
        return None
    host = (parts.hostname or "").removesuffix(".")
    if not _HOST_NAME.fullmatch(host) and _ip(host) is None:
        return None
    return Address(parts.scheme, host, url, parts.query)


def is_loopback(host: str) -> bool:
    """True for `localhost` and the loopback addresses."""
    address = _ip(host)
    return host == "localhost" if address is None else address.is_loopback


def is_same_domain(host: str, base_host: str) -> bool:
    """Whether a service at `base_host` may send us on to `host`: the same host, or one of the same domain."""
    if host == base_host:
        return True
    if is_loopback(base_host):
        return is_loopback(host)
    if _ip(base_host) is not None or is_loopback(host):
        return False
    domain = _registered_domain(base_host)
    return "." in domain and (host == domain or host.endswith(f".{domain}"))


def _registered_domain(host: str) -> str:
    labels = host.split(".")
    is_shared = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHARED_SECOND_LEVELS
    return ".".join(labels[-3 if is_shared else -2 :])


def _split(url: str) -> SplitResult | None:
    if not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no port
    except ValueError:
        return None
    return parts


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
