"""The form in which mosquitto keeps passwords."""

import base64
import hashlib
from collections.abc import Callable

ITERATIONS = 101
"""What mosquitto_passwd takes."""
SALT_BYTES = 12


def mosquitto_hash(password: str, user: str) -> str:
    """A line's second field: PBKDF2 with SHA-512. The salt follows from user and password, so that nothing changes."""
    salt = hashlib.sha256(f"{user}\0{password}".encode()).digest()[:SALT_BYTES]
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Callable[[str, str], str]]:
        """Filters by name."""
        return {"voice_satellite_mosquitto_hash": mosquitto_hash}
