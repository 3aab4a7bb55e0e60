import pytest

from satellite.adapters.sounds import WAITING_MAX, SoundShelf, is_path_allowed, is_url_allowed

PLACES = ("/usr/share/sounds", "/srv/chimes/", "https://nas.lan/sounds", "http://nas.lan:8080/a%20b/")


def shelf(*places: str) -> SoundShelf:
    def unexpected(*_: object) -> None:
        raise AssertionError

    return SoundShelf(places, unexpected, unexpected)


@pytest.mark.parametrize(
    "path", ["/usr/share/sounds/a.wav", "/usr/share/sounds/x/../y/a.wav", "/srv/chimes/a.wav", "/srv//chimes/./a.wav"]
)
def test_paths_below_a_place_are_allowed(path: str) -> None:
    assert is_path_allowed(path, PLACES)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/usr/share/sounds",
        "/usr/share/sounds/",
        "/usr/share/sounds/../a.wav",
        "/usr/share/sounds/x/../../../a.wav",
        "/usr/share/sounds-private/a.wav",
        "/usr/share/sounds/a\0.wav",
        "a.wav",
        "./usr/share/sounds/a.wav",
        "file:///usr/share/sounds/a.wav",
        "ftp://nas.lan/sounds/a.wav",
        "HTTPS://nas.lan/sounds/a.wav",
        "",
    ],
)
def test_other_paths_are_not(path: str) -> None:
    assert not is_path_allowed(path, PLACES)
    refusal = shelf(*PLACES).request(path)
    assert refusal == f"sounds are played from allowed places only (audio.output.play_from: {', '.join(PLACES)})"


def test_the_root_may_be_a_place() -> None:
    assert is_path_allowed("/a.wav", ("/",))


@pytest.mark.parametrize(
    "url",
    [
        "https://nas.lan/sounds/a.wav",
        "https://NAS.lan:443/sounds/x/a.wav?token=1#there",
        "https://nas.lan/sounds/a.wav?../x",
        "https://nas.lan/sounds/a..b/...wav",
        "http://nas.lan:8080/a%20b/c.wav",
    ],
)
def test_urls_below_a_place_are_allowed(url: str) -> None:
    assert is_url_allowed(url, PLACES)


@pytest.mark.parametrize(
    "url",
    [
        "http://nas.lan/sounds/a.wav",
        "https://nas.lan:8443/sounds/a.wav",
        "https://nas.lan/sounds",
        "https://nas.lan/sounds-private/a.wav",
        "https://nas.lan/private/a.wav",
        "https://nas.lan.evil.example/sounds/a.wav",
        "https://nas.lan@evil.example/sounds/a.wav",
        "https://nas.lan:x@evil.example/sounds/a.wav",
        "https://user:secret@nas.lan/sounds/a.wav",
        "https://evil.example\\@nas.lan/sounds/a.wav",
        "https://evil.example#@nas.lan/sounds/a.wav",
        "https://evil.example?https://nas.lan/sounds/a.wav",
        "https://nas.lan/sounds/../secret/a.wav",
        "https://nas.lan/sounds/x/../../secret/a.wav",
        "https://nas.lan/sounds/./a.wav",
        "https://nas.lan/sounds/..",
        "https://nas.lan/sounds/%2e%2e/secret/a.wav",
        "https://nas.lan/sounds/.%2E/secret/a.wav",
        "https://nas.lan/sounds/%252e%252e/secret/a.wav",
        "https://nas.lan/sounds/..%2fsecret/a.wav",
        "https://nas.lan/sounds/..\\secret\\a.wav",
        "https://nas.lan/sounds/..%5csecret/a.wav",
        "https://nas.lan/sounds/..;x=1/secret/a.wav",
        "https://nas.lan/sounds/.. /secret/a.wav",
        "https://nas.lan/sounds/a.wav\r\nHost: evil.example",
        "https://nas.lan/sounds/a\t.wav",
        "https://nas.lan:port/sounds/a.wav",
        "https://[nas.lan/sounds/a.wav",
        "https:///sounds/a.wav",
    ],
)
def test_other_urls_are_not(url: str) -> None:
    assert not is_url_allowed(url, PLACES)
    assert "allowed places only" in str(shelf(*PLACES).request(url))


def test_without_places_nothing_is_allowed() -> None:
    assert str(shelf().request("/usr/share/sounds/a.wav")).endswith("play_from: none)")


def test_only_some_wait() -> None:
    full = shelf("/srv")
    assert [full.request("/srv/a.wav") for _ in range(WAITING_MAX)] == [None] * WAITING_MAX
    assert full.request("/srv/a.wav") == "8 sounds wait already"
