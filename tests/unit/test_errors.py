import pytest

from satellite.errors import (
    BackendError,
    BrokerError,
    ConfigError,
    DeviceError,
    ErrorCategory,
    LocalMisuse,
    MediaError,
    Problem,
    SatelliteError,
    StalledError,
)


@pytest.mark.parametrize(
    ("category", "is_retryable"),
    [
        (ErrorCategory.CONNECTIVITY, True),
        (ErrorCategory.SERVER, True),
        (ErrorCategory.RATE_LIMIT, True),
        (ErrorCategory.AUTHENTICATION, False),
        (ErrorCategory.AUTHORIZATION, False),
        (ErrorCategory.INVALID_REQUEST, False),
        (ErrorCategory.QUOTA, False),
    ],
)
def test_waiting_heals_weather_and_nothing_else(category: ErrorCategory, is_retryable: bool) -> None:
    assert category.is_retryable is is_retryable


def test_every_category_is_sorted() -> None:
    assert len(ErrorCategory) == 7


def test_a_problem_names_place_cause_and_mend() -> None:
    problem = Problem("config.yaml", 3, "mqtt.prot", "unknown key", "did you mean port?")
    assert str(problem) == "config.yaml:3: mqtt.prot: unknown key (did you mean port?)"


def test_a_problem_without_a_mend_ends_after_the_cause() -> None:
    assert str(Problem("config.yaml", 1, "voice", "missing")) == "config.yaml:1: voice: missing"


def test_a_config_error_tells_every_problem_on_a_line_of_its_own() -> None:
    problems = (Problem("a", 1, "x", "bad"), Problem("a", 2, "y", "worse"))
    error = ConfigError(problems)
    assert error.problems == problems
    assert str(error) == "a:1: x: bad\na:2: y: worse"


@pytest.mark.parametrize("kind", [BackendError, BrokerError])
def test_errors_of_peers_carry_their_category(kind: type[BackendError | BrokerError]) -> None:
    error = kind(ErrorCategory.QUOTA, "used up")
    assert error.category is ErrorCategory.QUOTA
    assert str(error) == "used up"


@pytest.mark.parametrize(
    "kind", [ConfigError, DeviceError, MediaError, BackendError, BrokerError, StalledError, LocalMisuse]
)
def test_all_errors_raised_on_purpose_share_one_base(kind: type[Exception]) -> None:
    assert issubclass(kind, SatelliteError)
