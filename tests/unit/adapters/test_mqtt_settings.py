import ssl
import subprocess
from pathlib import Path

import pytest

from satellite.adapters.mqtt_settings import MqttSettings, TlsSettings, tls_context
from satellite.errors import BrokerError
from tests.fakes.broker import make_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make_certificates(directory)
    return directory


@pytest.mark.parametrize("ca_file", [None, "ca.crt"])
def test_the_broker_is_always_verified(certificates: Path, ca_file: str | None) -> None:
    context = tls_context(TlsSettings(ca_file and str(certificates / ca_file)))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_certificate_of_our_own(certificates: Path) -> None:
    client = str(certificates / "client.crt"), str(certificates / "client.key")
    assert tls_context(TlsSettings(str(certificates / "ca.crt"), *client)).cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (("absent.crt", None, None), "mqtt.tls.ca_file: cannot use .*absent.crt: No such file"),
        (("ca.key", None, None), "mqtt.tls.ca_file: .* not in PEM form"),
        (("ca.crt", "absent.crt", "client.key"), "cert_file and key_file: .*absent.crt: No such file"),
        (("ca.crt", "client.crt", "server.key"), "cert_file and key_file: .*client.crt: .* does not match"),
        (("ca.crt", "client.crt", "locked.key"), "cert_file and key_file: .*client.crt"),
    ],
)
def test_a_file_of_no_use_is_named(certificates: Path, files: tuple[str | None, ...], sentence: str) -> None:
    lock = ["openssl", "ec", "-in", "client.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key"]
    subprocess.run(lock, cwd=certificates, check=True, capture_output=True)
    with pytest.raises(BrokerError, match=sentence):
        tls_context(TlsSettings(*(name and str(certificates / name) for name in files)))


def test_the_password_is_not_shown() -> None:
    assert "hidden" not in repr(MqttSettings("localhost", 1883, "me", "hidden"))
