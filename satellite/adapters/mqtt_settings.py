"""What a connection to the MQTT broker is made from."""

import ssl
from dataclasses import dataclass, field

from satellite.errors import BrokerError, ErrorCategory


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Files in PEM form; `ca_file` None trusts what the system trusts. The broker is verified in every case."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is and who we are; `birth_topic` is where Home Assistant says that it has started."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    client_id: str | None = None
    tls: TlsSettings | None = None
    keepalive_s: int = 10
    """A satellite that hangs is `offline` after one and a half of it, one that is cut off too."""
    timeout_s: float = 10.0
    birth_topic: str | None = None
    targets_max: int = 5
    refused_retry_s: float = 60.0
    """What the broker does not take is tried again at this pace: its rules may have been mended."""

    @property
    def where(self) -> str:
        """Host and port for messages to people."""
        return f"{self.host}:{self.port}"


class _TidySocket(ssl.SSLSocket):
    """Closes itself when the handshake fails: the MQTT library forgets it in that case."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """A context that checks chain and host name, TLS 1.2 or newer. Raises BrokerError naming the bad file."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise _unusable("mqtt.tls.ca_file", tls.ca_file, error) from error
    context.sslsocket_class = _TidySocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert_file is not None:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
        except OSError as error:
            raise _unusable("mqtt.tls.cert_file and key_file", tls.cert_file, error) from error
    return context


def _no_password() -> str:
    """An encrypted key must fail, not ask at a terminal that nobody watches."""
    return ""


def _unusable(key: str, path: str | None, error: OSError) -> BrokerError:
    """The sentence for a certificate or key file that cannot be loaded."""
    reason = "it is not in PEM form or does not match" if isinstance(error, ssl.SSLError) else str(error.strerror)
    return BrokerError(ErrorCategory.AUTHENTICATION, f"{key}: cannot use {path}: {reason}")
