"""Seeded mutation of valid input at three levels: its values and structure, its tokens, its bytes."""

import copy
import json
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgpack

Tree = Any
"""What JSON and MessagePack hold: maps, lists, and plain values."""

MAX_BYTES = 512 * 1024
"""No mutation grows an input beyond this; what is larger shows nothing that this does not."""

NUMBERS: tuple[float, ...] = (
    *(0, 1, -1, 2, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63)),
    *(0.5, -0.0, 1e-300, 1e300, math.inf, -math.inf, math.nan),
)
TEXTS = (
    *("", " ", "a", "0", "-1", "null", "true", "de", "en-GB", "zz-Zzzz-ZZ", "AAAA", "=", "/", "..", "#", "+", "$SYS"),
    *("\0", "a\0b", "\ud800", "\udfff\ud800", "\U0001f4a5", "e\u0301", "\u202edlrow", "\ufeff", "\r\n", "\x1b[2J"),
    *("%s%n{0}", "wss://evil.example/x", "wss://api.deepl.com.evil.example/", "ws://127.0.0.1/", "a" * 3_000),
)
SNIPPETS = (
    *(b"", b"\0", b"\xff", b"\x80", b"\xed\xa0\x80", b"\xf0\x9f\x92\xa5", b"\n", b"\r\n\r\n", b"\t", b'"', b"'", b"\\"),
    *(b"{", b"}", b"[", b"]", b":", b",", b'{"a":', b"[[", b"null", b"NaN", b"-Infinity", b"1e999", b"9" * 5_000),
    *(b"\x91", b"\x81", b"\x81\xa1a", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"),
    *(
        b"\xc7\x0c\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xd6\xff\0\0\0\0",
        b"\xc1",
        b"\xd9\xff",
        b"\x90",
    ),
    *(b"&a ", b"*a", b"<<: *a", b"!secret x", b"!!python/object:os.system", b"- ", b"? ", b"--- ", b"%YAML 9", b"|"),
)
EXTENSIONS = (msgpack.ExtType(5, b"x"), msgpack.ExtType(127, b""), msgpack.Timestamp(2**33, 999_999_999))
KEYS = (1, 1.5, None, True, b"x", b"\xff")
"""What MessagePack allows to be keys in its maps; JSON's are texts."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[A-Za-z0-9_.+-]+|\s+|.', re.DOTALL)
_REPEATS = (2, 3, 10, 100, 2_000, 100_000)


class Mutator:
    """Makes one input out of others, the same for the same seed."""

    def __init__(self, seed: str, words: Sequence[str] = ()) -> None:
        self._random = random.Random(seed)
        self._texts = (*TEXTS, *words, *words)

    @property
    def random(self) -> random.Random:
        """The dice."""
        return self._random

    # --- values and structure --------------------------------------------------------------------------------------

    def tree(self, tree: Tree, others: Sequence[Tree]) -> Tree:
        """A copy with a few changes somewhere; parts of `others` may stand in it."""
        holder = [copy.deepcopy(tree)]
        for _ in range(self._few()):
            container, key = self._random.choice(list(_places(holder)))
            self._random.choice(_CHANGES)(self, container, key, others)
        return holder[0]

    def value(self) -> Tree:
        """Something that is likely not to have been thought of."""
        pick = self._random.random()
        if pick < 0.35:
            return self._random.choice(NUMBERS)
        if pick < 0.7:
            return self._random.choice(self._texts)
        if pick < 0.8:
            return self._random.randbytes(self._random.choice((0, 1, 2, 3, 64)))
        return self._random.choice(
            (None, True, False, [], {}, [[]], {"": None}, [None] * 300, _nested(12), _nested(60), *EXTENSIONS)
        )

    def _replace(self, container: Tree, key: Any, _others: Sequence[Tree]) -> None:
        container[key] = self.value()

    def _tweak(self, container: Tree, key: Any, _others: Sequence[Tree]) -> None:
        old = container[key]
        if isinstance(old, bool) or old is None:
            container[key] = not old
        elif isinstance(old, int | float) and not -1e300 < old < 1e300:
            container[key] = self.value()
        elif isinstance(old, int | float):
            container[key] = self._random.choice((old + 1, old - 1, -old, old * 1000, str(old), [old], old + 0.5))
        elif isinstance(old, str):
            at = self._random.randrange(len(old) + 1)
            container[key] = old[:at] + self._random.choice(self._texts) + old[at:]
        elif isinstance(old, bytes):
            container[key] = self.blob(old, ())
        elif isinstance(old, dict):
            container[key] = list(old.values())
        elif isinstance(old, list):
            container[key] = {str(index): each for index, each in enumerate(old)}

    def _remove(self, container: Tree, key: Any, _others: Sequence[Tree]) -> None:
        if len(container) > 1 or isinstance(container, dict):
            del container[key]

    def _double(self, container: Tree, key: Any, _others: Sequence[Tree]) -> None:
        if isinstance(container, list):
            container[key:key] = [copy.deepcopy(container[key]) for _ in range(self._random.choice((1, 1, 2, 20)))]
        else:
            container[self._random.choice(self._texts)] = copy.deepcopy(container[key])

    def _wrap(self, container: Tree, key: Any, _others: Sequence[Tree]) -> None:
        container[key] = self._random.choice(([container[key]], {"a": container[key]}, {str(key): container[key]}))

    def _transplant(self, container: Tree, key: Any, others: Sequence[Tree]) -> None:
        if others:
            donor, place = self._random.choice(list(_places([self._random.choice(others)])))
            container[key] = copy.deepcopy(donor[place])

    def _shuffle(self, container: Tree, _key: Any, _others: Sequence[Tree]) -> None:
        if isinstance(container, list):
            self._random.shuffle(container)

    def _add(self, container: Tree, _key: Any, _others: Sequence[Tree]) -> None:
        if isinstance(container, dict):
            container[self._random.choice((*self._texts, *KEYS))] = self.value()
        else:
            container.append(self.value())

    # --- tokens and bytes ------------------------------------------------------------------------------------------

    def tokens(self, data: bytes, others: Sequence[bytes]) -> bytes:
        """Words, numbers and signs left out, doubled, swapped, or taken from elsewhere: duplicate keys come of this."""
        parts = _TOKEN.findall(data[:65_536]) or [b""]
        donors = _TOKEN.findall(self._random.choice(others)[:4_096]) if others else []
        for _ in range(self._few()):
            at = self._random.randrange(len(parts))
            size = self._random.choice((1, 1, 2, 4, 8))
            match self._random.randrange(5):
                case 0:
                    del parts[at : at + size]
                case 1:
                    parts[at:at] = parts[at : at + size] * self._random.choice((1, 1, 3))
                case 2:
                    there = self._random.randrange(len(parts))
                    parts[at], parts[there] = parts[there], parts[at]
                case 3:
                    parts[at] = self._random.choice([*SNIPPETS, *donors])
                case _:
                    parts.insert(at, self._random.choice([*SNIPPETS, *donors]))
            parts = parts or [b""]
        return b"".join(parts)[:MAX_BYTES]

    def blob(self, data: bytes, others: Sequence[bytes]) -> bytes:
        """Bits flipped; bytes cut, doubled, overwritten, inserted; runs of one snippet; halves of two inputs."""
        changed = bytearray(data)
        for _ in range(self._few()):
            at = self._random.randrange(len(changed) + 1)
            size = min(len(changed) - at, self._random.choice((1, 1, 2, 4, 16, 128, 4_096)))
            match self._random.randrange(8):
                case 0 if changed:
                    changed[at % len(changed)] ^= 1 << self._random.randrange(8)
                case 1 if changed:
                    changed[at % len(changed)] = self._random.randrange(256)
                case 2:
                    del changed[at : at + size]
                case 3:
                    changed[at:at] = changed[at : at + size]
                case 4:
                    changed[at : at + size] = self._random.randbytes(size)
                case 5:
                    changed[at:at] = self._run()
                case 6 if others:
                    donor = self._random.choice(others)
                    changed[at:] = donor[self._random.randrange(len(donor) + 1) :]
                case _:
                    changed[at : at + 4] = self._random.choice(NUMBER_BYTES)
            del changed[MAX_BYTES:]
        return bytes(changed)

    def _run(self) -> bytes:
        snippet = self._random.choice(SNIPPETS)
        if self._random.random() < 0.9:
            return snippet
        return snippet * min(self._random.choice(_REPEATS), MAX_BYTES // max(1, len(snippet)))

    def _few(self) -> int:
        return 1 + min(int(self._random.expovariate(0.8)), 8)


NUMBER_BYTES = tuple(
    int(number).to_bytes(4, order)
    for number in (0, 1, 127, 128, 2**31 - 1, 2**31, 2**32 - 1)
    for order in ("big", "little")
)
_CHANGES: tuple[Callable[[Mutator, Tree, Any, Sequence[Tree]], None], ...] = (
    Mutator._replace,
    Mutator._replace,
    Mutator._tweak,
    Mutator._tweak,
    Mutator._remove,
    Mutator._double,
    Mutator._wrap,
    Mutator._transplant,
    Mutator._transplant,
    Mutator._shuffle,
    Mutator._add,
)


def _places(holder: Tree, depth: int = 0) -> Iterator[tuple[Tree, Any]]:
    """Every value of a tree, as a container with the key or index at which the value lies."""
    for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
        yield holder, key
        if isinstance(value, dict | list) and depth < 20:
            yield from _places(value, depth + 1)


def _nested(depth: int) -> Tree:
    tree: Tree = None
    for level in range(depth):
        tree = [tree] if level % 2 else {"a": tree}
    return tree


# --- trees on the wire ------------------------------------------------------------------------------------------


def json_bytes(tree: Tree) -> bytes:
    """JSON that any tree has, as lenient as senders are: NaN, half surrogates, bytes as text."""
    try:
        text = json.dumps(tree, default=_plain, separators=(",", ":"), skipkeys=True)
    except (ValueError, RecursionError):
        return b"[" * 2_000
    return text.encode("utf-8", "surrogatepass")


def msgpack_bytes(tree: Tree) -> bytes:
    """MessagePack that any tree has; what the format cannot hold is made to fit."""
    try:
        packed: bytes = msgpack.packb(tree, default=_plain, use_bin_type=True, unicode_errors="surrogatepass")
    except (ValueError, OverflowError, TypeError):
        packed = b"\x91" * 600
    return packed


def _plain(value: object) -> object:
    return value.decode("latin-1") if isinstance(value, bytes) else repr(value)
