"""For tests against real peers."""

import ssl

import pytest

from tests.fakes.link_peers import make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS contexts of a server and of a client that trusts it."""
    return make_certificates(tmp_path_factory.mktemp("tls"))
