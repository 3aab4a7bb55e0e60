"""The ledger: what the service concluded against what a subscriber got."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fakes.faults.tap import Sent
from tests.fakes.faults.watcher import Got

KILLED_WITHIN_S = 0.5
"""What reached the socket this shortly before the process was killed may never have been read."""
DEAD_FOR_S = 1.0
"""What is written to the socket of a dead process, before that is noticed, is read by nobody."""

SAID_AGAIN_S = 60.0
"""A service that cannot know whether its last words arrived says them again on the next connection."""


@dataclass(slots=True)
class Verdict:
    """What became of the text."""

    sent: int = 0
    published: int = 0
    lost: list[Sent] = field(default_factory=list)
    lost_with_process: list[Sent] = field(default_factory=list)
    """Written to the socket less than KILLED_WITHIN_S before the process was killed."""
    invented: list[Got] = field(default_factory=list)
    """Published under a new id although the service never concluded it, or only once for another id."""
    cut_short: list[Got] = field(default_factory=list)
    """Published as far as it was known when the connection to the service was lost."""
    reordered: list[Got] = field(default_factory=list)
    two_texts: list[str] = field(default_factory=list)
    """Ids that came with two payloads."""
    said_again: int = 0
    """Segments that the service itself said twice."""
    repeated: int = 0
    """Messages that came again byte by byte, as at-least-once allows."""
    lost_ms: int = 0
    """What the satellite itself said was lost, summed over utterances."""

    @property
    def is_kept(self) -> bool:
        """True when no promise about text was broken."""
        return not (self.lost or self.invented or self.reordered or self.two_texts)


def judge(
    sent: Sequence[Sent], got: Sequence[Got], killed_at_s: Sequence[float], unfinished: Sequence[Sent] = ()
) -> Verdict:
    """Compare, per topic and in order; `got` is in order of arrival, `unfinished` may have been published too."""
    verdict = Verdict(sent=len(sent))
    first = _first_of_each_id(got, verdict)
    topics: dict[str, list[Sent]] = defaultdict(list)
    for segment in sent:
        earlier = topics[segment.topic]
        if any(segment.text == other.text and segment.at_s - other.at_s < SAID_AGAIN_S for other in earlier[-50:]):
            verdict.said_again += 1
        else:
            earlier.append(segment)
    for topic in {*topics, *(message.topic for message in first)} - {"utterance"}:
        _judge_topic(topics[topic], [message for message in first if message.topic == topic], verdict, killed_at_s)
    may_be = {(each.topic, each.text) for each in unfinished}
    verdict.cut_short = [each for each in verdict.invented if (each.topic, str(each.body["text"])) in may_be]
    verdict.invented = [each for each in verdict.invented if each not in verdict.cut_short]
    verdict.lost_ms = sum(int(message.body["lost_ms"]) for message in first if message.topic == "utterance")
    return verdict


def _first_of_each_id(got: Sequence[Got], verdict: Verdict) -> list[Got]:
    seen: dict[tuple[str, str], bytes] = {}
    first = []
    for message in got:
        key = message.topic, str(message.body["id"])
        if key not in seen:
            seen[key] = message.payload
            first.append(message)
        elif seen[key] == message.payload:
            verdict.repeated += 1
        else:
            verdict.two_texts.append("/".join(key))
    return first


def _judge_topic(sent: list[Sent], got: list[Got], verdict: Verdict, killed_at_s: Sequence[float]) -> None:
    verdict.published += len(got)
    places: dict[str, list[int]] = defaultdict(list)
    for number, segment in enumerate(sent):
        places[segment.text].append(number)
    taken: Counter[str] = Counter()
    missing = set(range(len(sent)))
    newest = -1
    for message in got:
        text = str(message.body["text"])
        at = _place(places[text][taken[text] :], message.at_s, sent)
        if at is None:
            verdict.invented.append(message)
            continue
        taken[text] = places[text].index(at) + 1
        missing.discard(at)
        if at < newest:
            verdict.reordered.append(message)
        newest = max(newest, at)
    for segment in (sent[number] for number in sorted(missing)):
        was_killed = any(-DEAD_FOR_S <= killed - segment.at_s < KILLED_WITHIN_S for killed in killed_at_s)
        (verdict.lost_with_process if was_killed else verdict.lost).append(segment)


def _place(places: list[int], by_s: float, sent: list[Sent]) -> int | None:
    """The occasion of a text that this message tells: the last one by then, as the loop is longer than any outage."""
    open_ = [at for at in places if sent[at].at_s <= by_s]
    return open_[-1] if open_ else None
