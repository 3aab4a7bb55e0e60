import pytest

from satellite.backends.addresses import is_loopback, is_same_domain, parse_address


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.deepl.com", "api.deepl.com"),
        ("wss://API.DeepL.com./v3?x=1", "api.deepl.com"),
        ("ws://127.0.0.1:8080/connect", "127.0.0.1"),
        ("http://[::1]:80", "::1"),
    ],
)
def test_the_host_of_an_address(url: str, host: str) -> None:
    address = parse_address(url)
    assert address is not None
    assert address.host == host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/v3/voice",
        "https://",
        "https://host:port/",
        "https://host:99999/",
        "https://[::1",
        "https://user:secret@api.deepl.com",
        "https://api.deepl.com\\@evil.example",
        "https://evil.example\\.deepl.com",
        "https://api.deepl.com/#fragment",
        "https://api.deepl.com/a b",
        "https://api.dëepl.com",
        "https://api..deepl.com",
        "https://-api.deepl.com",
    ],
)
def test_what_is_no_plain_address(url: str) -> None:
    assert parse_address(url) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.3.2.1", True), ("::1", True), ("10.0.0.1", False), ("localhost.example.org", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_an_address_knows_whether_it_is_loopback() -> None:
    here, there = parse_address("ws://localhost:1/x"), parse_address("wss://api.deepl.com")
    assert here is not None
    assert there is not None
    assert (here.is_loopback, there.is_loopback) == (True, False)


@pytest.mark.parametrize(
    ("host", "base", "expected"),
    [
        ("api.deepl.com", "api.deepl.com", True),
        ("voice-7.eu.deepl.com", "api.deepl.com", True),
        ("deepl.com", "api.deepl.com", True),
        ("evildeepl.com", "api.deepl.com", False),
        ("deepl.com.evil.example", "api.deepl.com", False),
        ("localhost", "api.deepl.com", False),
        ("127.0.0.1", "api.deepl.com", False),
        ("stream.example.co.uk", "api.example.co.uk", True),
        ("evil.co.uk", "api.example.co.uk", False),
        ("other.uk", "example.co.uk", False),
        ("127.0.0.2", "localhost", True),
        ("api.deepl.com", "127.0.0.1", False),
        ("10.0.0.6", "10.0.0.5", False),
        ("10.0.0.5", "10.0.0.5", True),
        ("a.box", "box", False),
    ],
)
def test_a_redirect_stays_inside_the_domain(host: str, base: str, expected: bool) -> None:
    assert is_same_domain(host, base) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [("wss://h.org/c", "wss://h.org/c?token=t%2B"), ("wss://h.org/c?region=eu", "wss://h.org/c?region=eu&token=t%2B")],
)
def test_a_parameter_is_added_behind_those_there_are(url: str, expected: str) -> None:
    address = parse_address(url)
    assert address is not None
    assert address.with_parameter("token", "t%2B") == expected
