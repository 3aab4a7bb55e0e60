"""The wall clock: against the installation, against the service, and whether anybody sets it."""

from collections.abc import Mapping

from satellite.app.diagnosis.report import Outcome, failed, joined, passed, warned
from satellite.homeassistant.payloads import rfc3339_ms

EARLY_S = 86_400.0
"""Installing writes local files: a machine whose clock was an hour ahead then is no reason to complain."""
OFF_MAX_S = 300.0
SET_IT = "set the clock: `timedatectl set-ntp true`, and see that time servers can be reached (UDP port 123)"


def judge(
    now_s: float, installed_s: float, service_off_s: float | None, properties: Mapping[str, str] | None
) -> Outcome:
    """What three witnesses say; `service_off_s` is how far the clock is ahead of the service's."""
    told = [rfc3339_ms(now_s)]
    outcomes = []
    if now_s < installed_s - EARLY_S:
        outcomes.append(failed(f"{told[0]} is before this program was installed ({rfc3339_ms(installed_s)})", SET_IT))
    if service_off_s is not None and abs(service_off_s) > OFF_MAX_S:
        direction = "ahead of" if service_off_s > 0 else "behind"
        outcomes.append(failed(f"the clock is {abs(service_off_s):.0f} s {direction} the voice service's", SET_IT))
    elif service_off_s is not None:
        told.append(f"within {max(1.0, abs(service_off_s)):.0f} s of the voice service's")
    synchronised = None if properties is None else properties.get("NTPSynchronized")
    if synchronised == "no":
        outcomes.append(warned("the clock is not synchronised with a time server", SET_IT))
    told.append({"yes": "synchronised by NTP", "no": "not synchronised"}.get(synchronised or "", "NTP unknown"))
    return joined(outcomes) if outcomes else passed(", ".join(told))
