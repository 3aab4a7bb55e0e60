"""Nothing in the daemon grows without end: each container that outlives a call has its bound stated here.

That the bounds hold over hours of whatever peers send is tried in `tests/unit/test_flat_memory.py`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "satellite"

OTHER_ROOMS = ("emulator/", "cli/", "config/")
"""The emulator is there for trials and keeps what it was sent, to report it; commands end by themselves; a
configuration is read from a file of bounded size."""

QUEUES = r"(asyncio|queue)\.\w*Queue(\[.*\])?"
CONTAINERS = {"set", "dict", "list", "deque", "OrderedDict", "Counter", "defaultdict", "bytearray"}

BOUNDED = {
    "adapters/avdecoder.py: AvDecoder._flushes": "the speaker waits for one at a time",
    "adapters/avdecoder.py: _Inbox._items": "MAX_WAITING_BYTES, ITEM_BYTES for each of them",
    "adapters/avdecoder.py: _Outlet._piece": "delivered from PIECE_MS on; a decoded frame is much shorter",
    "adapters/containers.py: HeaderKeeper._seen": "MAX_HEADER_BYTES and one unit",
    "adapters/devicehandle.py: _left": "LEFT_MAX",
    "adapters/process.py: _companions": "one for each sound device in use, and those that hang in their driver",
    "adapters/deviceside.py: Queue._chunks": "the satellite hands over what is played within a moment",
    "adapters/deviceside.py: Recorder._waiting": "one block",
    "adapters/dispatcher.py: Dispatcher._timers": "one for each of its three call-backs",
    "adapters/fair_queue.py: FairQueue._messages": "its room: the oldest of the most crowded topic goes",
    "adapters/link.py: _Requests._tasks": "a session has one request at a time, and one at its end",
    "adapters/metrics.py: MetricsServer._open": "CONNECTIONS_MAX",
    "adapters/outbox.py: Outbox._concluded": "Bounds.concluded and concluded_bytes, with what is withheld",
    "adapters/outbox.py: Outbox._latest": "Bounds.latest",
    "adapters/outbox.py: Outbox._prompt": "what is in _latest and _transient",
    "adapters/outbox.py: Outbox._transient": "Bounds.transient",
    "adapters/outbox.py: Outbox._unspooled": "what is in _concluded or withheld",
    "adapters/outbox.py: _Withheld.messages": "Bounds.concluded and concluded_bytes, with what is not",
    "adapters/outbox.py: _Withheld.topics": "our own topics; languages are bounded",
    "adapters/portaudio.py: _Microphone._backlog": "what the device holds when it is opened",
    "adapters/room.py: _Peer._readers": "MAX_WAITING",
    "adapters/room.py: _Outgoing._messages": "MAX_WAITING",
    "adapters/room.py: _Outgoing._sounds": "MAX_WAITING",
    "adapters/settings.py: SettingsStore._stored": "one for each setting",
    "adapters/settings.py: SettingsStore._wanted": "one for each setting",
    "adapters/spool.py: _Plan._stored": "what is in the outbox, and goes from the file",
    "adapters/spool.py: _Plan._unwanted": "rows of the file, which holds no more than the outbox",
    "adapters/spool.py: _Plan._wanted": "what is in the outbox",
    "adapters/wavefile.py: FileCapture._blocks": "what one read of a file makes, and its last piece",
    "app/diagnosis/broker.py: BrokerVisit.retained": "one for each topic on which a satellite tells of itself",
    "app/diagnosis/running.py: Said.health": "one message, which the broker was told to keep small",
    "app/diagnosis/running.py: Said.problem": "one message, which the broker was told to keep small",
    "backends/base.py: Backend.actions": "those that a backend declares",
    "backends/base.py: SessionSetup.standing": "one for each action that a backend declares",
    "backends/base.py: OpenSocket.headers": "made by a session for one dial",
    "backends/base.py: SocketClosed.headers": "one answer, which the library bounds",
    "backends/deepgram/manners.py: Memory._manners": "one for each address that a configuration named",
    "backends/deepgram/tuning.py: Tuning._requests": "UNANSWERED_MAX of runtime.actions",
    "backends/deepl/admission.py: Admission._rejoins": "MAX_REJOINS within REJOIN_WINDOW_S",
    "backends/deepl/inbox.py: Inbox._speech": "the languages asked for and MAX_UNASKED",
    "backends/deepl/inbox.py: Inbox._tentative_targets": "the languages asked for and MAX_UNASKED",
    "backends/deepl/inbox.py: Inbox._unasked": "MAX_UNASKED",
    "backends/flight.py: Flight._legs": "MAX_AHEAD_S of audio, and silence until SILENT_S; in a room UNACKNOWLEDGED_S",
    "backends/vurbo/commands.py: Commander._queued": "MAX_QUEUED",
    "backends/vurbo/commands.py: Commander._urgent": "our own, one of each kind, and turns: UNANSWERED_MAX",
    "backends/vurbo/commands.py: Outcome.result": "MAX_RESULT_ENTRIES, made for one answer",
    "backends/vurbo/sentences.py: Sentences._labels": "MAX_SPEAKERS",
    "backends/vurbo/sentences.py: Sentences._open": "MAX_OPEN",
    "backends/vurbo/sentences.py: Sentences._spans": "MAX_KNOWN",
    "backends/vurbo/sentences.py: Sentences._targets": "the languages asked for and MAX_UNASKED",
    "backends/vurbo/sentences.py: _Numbers._sids": "MAX_KNOWN",
    "backends/vurbo/sentences.py: _Target.open": "MAX_OPEN",
    "backends/vurbo/sentences.py: _Target.owed": "MAX_OWED",
    "backends/vurbo/wishes.py: Wishes._voices": "MAX_LANGUAGES",
    "backends/lifecycle.py: Lifecycle._actions": "drained after each input",
    "backends/lifecycle.py: Lifecycle._events": "drained after each input",
    "backends/lifecycle.py: Lifecycle._keys": "those of the configuration",
    "backends/outlet.py: Outlet._held": "what the encoder keeps back, a chunk at most",
    "backends/outlet.py: Outlet._lost": "utterances of one session that lost audio",
    "backends/palabra/jobs.py: Jobs._waiting": "MAX_WAITING",
    "backends/palabra/sentences.py: Sentences._awaited": "MAX_AWAITED",
    "backends/palabra/sentences.py: Sentences._open": "the source and the languages asked for, MAX_OPEN in each",
    "backends/palabra/sentences.py: Sentences._spans": "MAX_REMEMBERED",
    "backends/palabra/speech.py: MessageSpeech._awaited": "MAX_TEXTS",
    "backends/palabra/speech.py: MessageSpeech._held": "HELD_BYTES, and HELD_S for each",
    "backends/palabra/speech.py: MessageSpeech._texts": "MAX_TEXTS",
    "backends/progress.py: Progress._ended_at": "utterances of one session that are not settled",
    "backends/progress.py: Progress._silent": "utterances of one session that are not settled",
    "backends/progress.py: Progress._touched_at": "utterances of one session that are not settled",
    "backends/loopback/session.py: _Hearing.echo": "an utterance, which vad.max_utterance_s bounds",
    "core/allowance.py: Allowance._used_s": "DAYS_KEPT",
    "core/backlog.py: Backlog._entries": "its capacity in samples; a mark waits only for audio that does",
    "core/events.py: ActionAnswered.result": "made for one answer, and published at once",
    "runtime/actions.py: Actions._unanswered": "one for each action that a backend declares, UNANSWERED_MAX in each",
    "homeassistant/discovery.py: Announced.gone": "GONE_MAX",
    "homeassistant/fleet.py: Fleet._before": "SATELLITES_MAX",
    "homeassistant/fleet.py: Fleet._sightings": "SATELLITES_MAX",
    "homeassistant/sighting.py: Sighting._standing": "the topics of WHAT",
    "homeassistant/sighting.py: Sighting.unreadable": "the topics of WHAT",
    "runtime/actions.py: Actions.standing": "one for each action that a backend declares",
    "core/gate.py: _Onset.frames": "an onset and its gap",
    "core/liveness.py: Liveness._done": "one for each part that is watched",
    "core/liveness.py: Liveness._still_s": "one for each part that is watched",
    "core/preroll.py: PreRoll._frames": "its capacity in samples",
    "core/section.py: _Reading.faults": "a configuration is read once, from a file of bounded size",
    "core/timeline.py: Timeline._concluded_ms": "one for each stream; the session bounds its languages",
    "core/timeline.py: Timeline._runs": "MAX_RUNS",
    "core/transcript.py: TranscriptBook._outputs": "drained after each input",
    "core/transcript.py: _Languages._unexpected": "MAX_UNEXPECTED",
    "core/transcript.py: _Outstanding._cursors": "the languages asked for and MAX_UNEXPECTED",
    "core/transcript.py: _Outstanding._tails": "the languages asked for and MAX_UNEXPECTED",
    "core/transcript.py: _Shelf.open": "MAX_OPEN",
    "core/transcript.py: _Tail._segments": "MAX_TENTATIVE_CHARACTERS, and no segment is empty",
    "core/turn.py: TurnPolicy._actions": "drained after each input",
    "core/utterance.py: StreamText._held": "MAX_SEGMENTS",
    "core/utterance.py: StreamText._language_chars": "MAX_LANGUAGES",
    "core/utterance.py: StreamText._raw": "MAX_CHARACTERS and MAX_SEGMENTS",
    "core/utterance.py: Utterance.streams": "the source, the languages asked for and MAX_UNEXPECTED of a session",
    "runtime/command_queue.py: CommandQueue._waiting": "one of each kind, and IN_ORDER_MAX",
    "runtime/hearing.py: Hearing._waiting": "one block",
    "runtime/intake.py: SpeechIntake._held": "HELD_BYTES_MAX, UNIT_BYTES for each unit, and seconds",
    "runtime/intake.py: SpeechIntake._pieces": "PIECES_MAX and LIMIT_DECODED",
    "runtime/standing.py: Standing._conditions": "the words of _STATES",
    "runtime/standing.py: Standing._problems": "the codes of SEVERITY",
    "runtime/supervisor.py: Supervisor._faults": "FAULTS_MAX",
    "runtime/supervisor.py: Supervisor._tasks": "one for each service",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        file = path.relative_to(SOURCE).as_posix()
        if not file.startswith(OTHER_ROOMS):
            yield file, ast.parse(path.read_text(encoding="utf-8"))


def maker(value: ast.expr) -> str:
    """The last part of what is called, `deque` for `collections.deque[int]()`."""
    return ast.unparse(value.func).rpartition(".")[2].partition("[")[0] if isinstance(value, ast.Call) else ""


def is_growing(value: ast.expr) -> bool:
    """True for what makes a container that can grow."""
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    if not isinstance(value, ast.Call):
        return False
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in value.keywords}
    if maker(value) == "field":
        return keywords.get("default_factory") in CONTAINERS
    return maker(value) in CONTAINERS and "maxlen" not in keywords


def kept(body: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Attributes that are given a value anywhere in a class, and those values."""
    for node in ast.walk(body):
        targets: list[ast.expr] = []
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
        for target in targets:
            assert isinstance(node, ast.AnnAssign | ast.Assign)
            assert node.value is not None
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for one, value in pairs:
                if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "self":
                    yield one.attr, value
                elif isinstance(one, ast.Name) and node in body.body:
                    yield one.id, value


def containers(file: str, tree: ast.Module) -> set[str]:
    """What outlives a call and can grow."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {f"{file}: {one.name}.{name}" for one in classes for name, value in kept(one) if is_growing(value)}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and is_growing(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [ast.unparse(target) for target in targets]
            found |= {f"{file}: {name}" for name in names if name != "__all__" and not name.lstrip("_").isupper()}
    return found


def test_each_container_has_a_bound() -> None:
    found = set().union(*(containers(file, tree) for file, tree in sources()))
    assert len(found) > 50, "they are not found any more"
    assert found - set(BOUNDED) == set(), "say what bounds them"


def test_no_bound_is_stated_for_what_is_gone() -> None:
    classes = set()
    for file, tree in sources():
        classes |= {f"{file}: {node.name}" for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    found = set().union(*(containers(file, tree) for file, tree in sources()))
    assert {entry for entry in BOUNDED if entry.rpartition(".")[0] in classes} - found == set()


def test_every_queue_has_its_length() -> None:
    without = []
    for file, tree in sources():
        for node in ast.walk(tree):
            is_queue = isinstance(node, ast.Call) and re.fullmatch(QUEUES, ast.unparse(node.func))
            if is_queue and isinstance(node, ast.Call) and not (node.args or node.keywords):
                without.append(f"{file}:{node.lineno}")
    assert without == []


CACHED = {"core/section.py: fields_of": "one for each of our classes of settings"}


def test_what_is_cached_depends_on_nothing() -> None:
    """A cache without a bound is for what has one value."""
    wrong = []
    for file, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            marks = {ast.unparse(mark) for mark in node.decorator_list}
            if marks & {"functools.cache", "cache", "functools.lru_cache", "lru_cache"} and node.args.args:
                wrong.append(f"{file}: {node.name}")
    assert set(wrong) == set(CACHED)


@pytest.mark.parametrize(
    "line",
    ["self.x: list[int] = []", "self.x, y = {}, 1", "self.x = deque()", "self.x = collections.OrderedDict[str, int]()"],
)
def test_a_new_one_would_be_found(line: str) -> None:
    tree = ast.parse(f"class A:\n    def f(self):\n        {line}\n")
    assert containers("made/up.py", tree) == {"made/up.py: A.x"}


def test_one_with_a_length_is_none() -> None:
    tree = ast.parse("class A:\n    def f(self):\n        self.x = deque(maxlen=3)\n")
    assert containers("made/up.py", tree) == set()
