import pytest

from satellite.app.diagnosis.clock import judge
from satellite.app.diagnosis.report import Verdict

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("installed_s", "off_s", "synchronised", "verdict", "told"),
    [
        (NOW_S - DAY_S, 0.4, "yes", Verdict.PASS, "within 1 s of the voice service's, synchronised by NTP"),
        (NOW_S - DAY_S, None, None, Verdict.PASS, "2027-01-15T08:00:00.000Z, NTP unknown"),
        (NOW_S + 3_600, 299.0, "yes", Verdict.PASS, "within 299 s"),
        (NOW_S - DAY_S, -301.0, "yes", Verdict.FAIL, "301 s behind the voice service's"),
        (NOW_S - DAY_S, 301.0, "yes", Verdict.FAIL, "301 s ahead of the voice service's"),
        (NOW_S + 2 * DAY_S, None, "yes", Verdict.FAIL, "before this program was installed"),
        (NOW_S - DAY_S, 0.0, "no", Verdict.WARN, "not synchronised with a time server"),
    ],
)
def test_three_witnesses(
    installed_s: float, off_s: float | None, synchronised: str | None, verdict: Verdict, told: str
) -> None:
    properties = None if synchronised is None else {"NTPSynchronized": synchronised}
    outcome = judge(NOW_S, installed_s, off_s, properties)
    assert outcome.verdict is verdict
    assert told in outcome.detail
