"""What the code may say and where it may listen, held against every line of it: nothing spoken and no secret is logged.

How the running program keeps to it is tried in `tests/system/test_privacy.py`.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from satellite import errors
from satellite.adapters.logs import FIELDS

ROOT = Path(__file__).resolve().parents[1]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
OURS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.SatelliteError)
}

SECRET = re.compile(
    r"text|transcript|payload|body|audio|pcm|speech|spoken|said|chunk|segment|url|token|key|password|secret|header"
    r"|credential|message|content|raw|bytes|query"
)
"""Never an argument, but under `logging.transcripts`. (`data` and `packet` come under SPEAKS.)"""
SPEAKS = re.compile(r"reason|detail|hint|sentence|failure|refused|error|why|warning|problem|topic|data|packet|answer")
"""May repeat what somebody else said: each use is in the table below, with what makes it fit."""

NUMBERS = "dioxXeEfFgG"

FIT = {
    "adapters/link.py: answer.detail": "httpcall.describe tells no address, header or word of the peer",
    "adapters/link.py: why": "ours; the peer's own words are left to the session, which takes secrets out",
    "adapters/metrics.py: why": "the system's words, with our own address",
    "adapters/mqtt.py: refused": "a sentence of ours",
    "adapters/mqtt.py: *(self._client_id, topic)": "a topic of our own",
    "adapters/mqtt.py: topic": "printable and cut",
    "adapters/mqtt_status.py: sentence": "a sentence of ours with the name of the broker's reason code",
    "adapters/settings.py: error.strerror": "the system's words",
    "adapters/spool.py: error": "a SpoolError: a path and the system's words",
    "adapters/statefile.py: error.strerror": "the system's words",
    "adapters/systemd.py: error.strerror": "the system's words",
    "cli/run.py: problem": "the loader takes secrets out of problems",
    "cli/run.py: warning": "the loader takes secrets out of warnings",
    "runtime/control.py: refused.command": "printable and cut",
    "runtime/control.py: refused.reason": "a sentence of ours about the payload, not the payload",
    "runtime/intake.py: detail": "a sentence of ours; a content type in it is printable and cut",
    "runtime/listener.py: failure": "a DeviceError: names of devices and the system's words",
    "runtime/reporter.py: why": "Lifecycle: without secrets, printable and cut",
    "runtime/reporter.py: record.reason": "why the gate closed, one of its own words",
    "runtime/speaker.py: error": "a DeviceError: names of devices and the system's words",
    "runtime/speaker.py: reason": "why playback was cut, one of our own words",
    "runtime/standing.py: problem.code": "one of our own words",
    "runtime/uplink.py: failure.category.value": "one of our own words",
}

HANDED_OUT = {
    "adapters/mqtt_connection.py": "says nothing below CRITICAL",
    "adapters/websocket.py": "says nothing at all and has no parent",
    "adapters/room.py": "LiveKit's level is raised beyond all it has to say",
    "emulator/doors.py": "for trials on loopback",
    "cli/plot.py": "matplotlib's level is raised",
}
"""Loggers that are given to libraries."""


@dataclass(frozen=True)
class LogCall:
    """A call that writes to the log."""

    file: str
    node: ast.Call
    is_guarded: bool

    @property
    def arguments(self) -> list[ast.expr]:
        """Level, when there is one, and format left out."""
        assert isinstance(self.node.func, ast.Attribute)
        return self.node.args[2 if self.node.func.attr == "log" else 1 :]

    @property
    def format(self) -> ast.expr | None:
        assert isinstance(self.node.func, ast.Attribute)
        at = 1 if self.node.func.attr == "log" else 0
        return self.node.args[at] if len(self.node.args) > at else None


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "satellite").rglob("*.py")):
        yield path.relative_to(ROOT / "satellite").as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def log_calls(file: str, tree: ast.AST, guarded: bool = False) -> Iterator[LogCall]:
    for child in ast.iter_child_nodes(tree):
        inner = guarded or (isinstance(child, ast.If) and "log_transcripts" in ast.unparse(child.test))
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.func.attr in LEVELS:
            owner = ast.unparse(child.func.value)
            if re.fullmatch(r"(self\.)?_?\w*log(ger)?|logging(\..*)?", owner, re.IGNORECASE):
                yield LogCall(file, child, guarded)
        yield from log_calls(file, child, inner)


def names_in(expression: ast.expr) -> Iterator[str]:
    """Every word of an expression that names a value: variables, attributes, keys."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def objections(call: LogCall, used: set[str]) -> Iterator[str]:
    """What is wrong with a call; entries of FIT that it needs are put into `used`."""
    where = f"{call.file}:{call.node.lineno}"
    if not (isinstance(call.format, ast.Constant) and isinstance(call.format.value, str)):
        yield f"{where}: the format is not one constant text"
    for keyword in call.node.keywords:
        if keyword.arg != "exc_info" and not (keyword.arg == "extra" and are_ids(keyword.value)):
            yield f"{where}: {keyword.arg}="
    if call.is_guarded:
        return
    for argument, conversion in zip(call.arguments, conversions(call), strict=True):
        shown = ast.unparse(argument)
        if conversion in NUMBERS or is_sanitised(argument) or is_measured(argument):
            continue
        if any(SECRET.search(name.lower()) for name in names_in(argument)):
            yield f"{where}: {shown} may be speech or a secret"
        elif any(SPEAKS.search(name.lower()) for name in names_in(argument)):
            used.add(f"{call.file}: {shown}")
            if f"{call.file}: {shown}" not in FIT:
                yield f"{where}: {shown} may be somebody else's words: say in FIT why it is fit for a log"


def are_ids(handed_over: ast.expr) -> bool:
    """A dictionary that stands there, with the keys that become fields of the journal, each an id or a code by name."""
    return isinstance(handed_over, ast.Dict) and all(
        isinstance(key, ast.Constant)
        and key.value in FIELDS
        and re.fullmatch(r"[\w.]*\b(\w*_)?(id|code)", ast.unparse(value)) is not None
        for key, value in zip(handed_over.keys, handed_over.values, strict=True)
    )


def conversions(call: LogCall) -> list[str]:
    """What the format makes of each argument: `s` for text, `d` for a number; of a starred one the first."""
    text = call.format.value if isinstance(call.format, ast.Constant) else ""
    found = re.findall(r"%[-+ #0]*\d*(?:\.\d+)?([a-zA-Z])", str(text))
    return (found + ["s"] * len(call.arguments))[: len(call.arguments)]


def is_sanitised(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Call) and ast.unparse(argument.func) in ("printable", "describe")


def is_measured(argument: ast.expr) -> bool:
    """Lengths and types say nothing of what they are of."""
    return (isinstance(argument, ast.Call) and ast.unparse(argument.func) == "len") or (
        isinstance(argument, ast.Attribute) and argument.attr == "__name__"
    )


def test_no_log_call_says_speech_or_secrets() -> None:
    used: set[str] = set()
    calls = [call for file, tree in sources() for call in log_calls(file, tree)]
    assert len(calls) > 40, "the calls are not found any more"
    assert [objection for call in calls for objection in objections(call, used)] == []
    present = {entry for entry in FIT if (ROOT / "satellite" / entry.split(":")[0]).exists()}
    assert present - used == set(), "no longer needed"


def test_what_a_logger_adds_to_all_its_lines_are_ids() -> None:
    made = [
        (file, node)
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and "LoggerAdapter" in ast.unparse(node.func)
    ]
    assert made, "they are not found any more"
    assert [(file, ast.unparse(node)) for file, node in made if not are_ids(node.args[1])] == []


def test_what_was_said_is_logged_in_one_place_and_on_request() -> None:
    guarded = [call for file, tree in sources() for call in log_calls(file, tree) if call.is_guarded]
    assert [call.file for call in guarded] == ["runtime/reporter.py"]


@pytest.mark.parametrize(
    "line",
    [
        "log.info(f'{x}')",
        "log.info('%s', segment.text)",
        "log.info('%s', payload)",
        "_log.debug('%s', self._api_key)",
        "log.log(level, '%s', token[:4])",
        "log.warning('%s', error)",
        "log.info('a' + b)",
        "log.info('%s', body['text'])",
        "log.info('x', extra=message)",
        "log.info('x', extra={'code': message})",
        "log.info('x', extra={'utterance_id': id, 'said': said_id})",
        "log.info('x', extra={**message})",
        "log.info('x', extra={'code': str(code)})",
        "logging.getLogger('x').info('%s', url)",
        "self._logger.info('%s', data)",
        "log.info('%s', str(answer))",
    ],
)
def test_a_call_that_told_too_much_would_be_found(line: str) -> None:
    (call,) = log_calls("made/up.py", ast.parse(line))
    assert list(objections(call, set()))


def ours() -> set[str]:
    """Names of exceptions that this package makes, the private ones of its modules included."""
    names = set(OURS)
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and names & {ast.unparse(base) for base in node.bases}:
                names.add(node.name)
    return names


def test_exceptions_of_strangers_are_told_by_the_system_s_words_only() -> None:
    wrong, known = [], ours()
    for file, tree in sources():
        for handler in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name):
            assert handler.type is not None
            if set(names_in(handler.type)) <= known:
                continue
            for call in log_calls(file, handler):
                for argument in call.arguments:
                    used = {name for name in names_in(argument) if name == handler.name}
                    if used and ast.unparse(argument) != f"{handler.name}.strerror":
                        wrong.append(f"{file}:{call.node.lineno}: {ast.unparse(argument)}")
    assert wrong == []


def test_loggers_are_made_in_one_way() -> None:
    """One for each module, by its name, and those that libraries are given, which keep quiet."""
    others = set()
    for file, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("logging.getLogger", "logging.Logger"):
                continue
            (name,) = (ast.unparse(argument) for argument in node.args)
            if name not in ("__name__", "'satellite'"):
                others.add(file)
                is_silent = file == "adapters/websocket.py"  # it has no parent to pass anything on to
                assert is_silent or "satellite" not in name, "what it says would pass for ours"
    assert others == set(HANDED_OUT)


def test_nothing_else_writes_to_the_terminal() -> None:
    """Commands and the emulator print; what they print is tried in their own tests.

    (`faulthandler` writes names of code only.)
    """
    found = []
    writers = re.compile(r"print|warnings\.warn|traceback\.print_\w+|sys\.std(out|err)\.write|\w*\.print_exc")
    for file, tree in sources():
        if file.startswith(("cli/", "emulator/")):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and writers.fullmatch(ast.unparse(node.func)):
                found.append(f"{file}:{node.lineno}")  # noqa: PERF401 - three conditions in one expression
    assert found == []


# --- TLS and listening ----------------------------------------------------------------------------------------------

UNVERIFIED = re.compile(
    r"CERT_NONE|CERT_OPTIONAL|_create_unverified_context|check_hostname\s*=\s*False|verify_mode\s*=|verify\s*=\s*False"
    r"|tls_insecure|PROTOCOL_TLS(?!v|_CLIENT|_SERVER)|set_ciphers|assert_hostname|PYTHONHTTPSVERIFY|VERIFY_X509_PARTIAL"
)
LISTENS = re.compile(
    r"\.listen\(|start_server|create_server|start_unix_server|create_datagram_endpoint|\.bind\(|HTTPServer|\bserve\("
)
LISTENERS = {
    "adapters/metrics.py": "figures for Prometheus where they are enabled, on loopback unless told otherwise",
    "adapters/mosquitto.py": "finds a free port for the demo's broker and lets go of it",
}
"""Besides the emulated service, which `demo` and `emulator` start on loopback."""


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in sorted((ROOT / "satellite").rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT / 'satellite').as_posix()}:{number}")
    return found


def test_nothing_turns_verification_off() -> None:
    assert lines_with(UNVERIFIED) == []


def test_no_option_could_turn_verification_off() -> None:
    model = (ROOT / "satellite" / "config" / "model.py").read_text(encoding="utf-8")
    options = (ROOT / "satellite" / "backends" / "deepl" / "options.py").read_text(encoding="utf-8")
    assert re.findall(r"^\s+(\w*(?:insecure|verif|unsafe|trust_all|skip)\w*):", model + options, re.MULTILINE) == []


def test_nothing_listens_but_what_is_there_for_trials() -> None:
    files = {place.split(":")[0] for place in lines_with(LISTENS)}
    assert {file for file in files if not file.startswith("emulator/")} == set(LISTENERS)
