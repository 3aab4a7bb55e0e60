import pytest

from satellite.app.diagnosis.cloud import MENDS, date_of, judge
from satellite.app.diagnosis.report import Verdict
from satellite.backends.base import HttpResponse
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory


@pytest.mark.parametrize("category", ErrorCategory)
def test_every_category_has_a_mend(category: ErrorCategory) -> None:
    outcome = judge("deepl", SessionFailed(category, "POST answered"))
    assert outcome.verdict is (Verdict.WARN if category is ErrorCategory.RATE_LIMIT else Verdict.FAIL)
    assert outcome.mend == MENDS[category]
    assert outcome.detail == "deepl: POST answered"


def test_the_mend_of_the_backend_is_better() -> None:
    failure = SessionFailed(ErrorCategory.QUOTA, "POST answered 456", "raise it", trace_id="0af7")
    outcome = judge("deepl", failure)
    assert (outcome.detail, outcome.mend) == ("deepl: POST answered 456 (trace id 0af7)", "raise it")


@pytest.mark.parametrize(
    ("date", "unix_s"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777.0),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_dates_of_answers(date: str, unix_s: float | None) -> None:
    assert date_of(HttpResponse(200, {"date": date} if date else {}, b"")) == unix_s
