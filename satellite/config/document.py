"""YAML text to nodes with line numbers, from parser events: a recursive composer dies of a deep file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 16
"""Far above any real configuration. Deeper text costs the parser quadratic time and the reader its stack."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WHOLE = re.compile(r"[-+]?[0-9]+|0x[0-9A-Fa-f]+|0o[0-7]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", "-.inf", "+.inf", ".nan"), float("nan")),
}
_LONGEST_NUMBER = 40
"""Python refuses to read integers of thousands of digits; longer ones stay text and fail as such."""


class DocumentError(Exception):
    """The text is not one YAML document; carries the line (from 1), what is wrong and the mend."""

    def __init__(self, line: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.hint = hint


@dataclass(slots=True)
class Scalar:
    """One value as written; `plain` when it stood without quotes."""

    line: int
    tag: str | None
    text: str
    plain: bool


@dataclass(slots=True)
class Collection:
    """A mapping (children are key, value, key, value, …) or a sequence."""

    line: int
    tag: str | None
    is_mapping: bool
    children: list["Node"] = field(default_factory=list)

    def pairs(self) -> Iterator[tuple["Node", "Node"]]:
        """Keys with their values, in the order of the file."""
        return zip(self.children[::2], self.children[1::2], strict=True)


Node = Scalar | Collection


def decode(data: bytes) -> str:
    """UTF-8 text of a file; raises DocumentError with the line of the first bad byte."""
    if len(data) > MAX_FILE_BYTES:
        raise DocumentError(1, f"the file is larger than {MAX_FILE_BYTES // 1024} KiB; this is no configuration")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(data.count(b"\n", 0, error.start) + 1, "the file is not UTF-8 text") from error


def parse(text: str) -> Node | None:
    """The document's root node, None for an empty one; raises DocumentError for the first thing that is wrong."""
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(text, error) from error
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise DocumentError(line, "the file holds a control character, which YAML does not allow") from error
    return builder.root


def plain_value(text: str) -> str | int | float | bool | None:
    """What a plain scalar means by YAML 1.2: `no`, `off` and dates stay text, unlike in YAML 1.1."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _WHOLE.fullmatch(text):
        return int(text, 0) if text[:2] in {"0x", "0o"} else int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


class _Builder:
    """Grows the tree event by event."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Collection] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: yaml.Event) -> None:
        """One event of the parser."""
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if isinstance(event, yaml.ScalarEvent):
            self._add(Scalar(line, event.tag, event.value, event.implicit[0] and event.tag is None), event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            collection = Collection(line, event.tag, isinstance(event, yaml.MappingStartEvent))
            self._add(collection, event.anchor)
            self._open.append(collection)
            if len(self._open) > MAX_DEPTH:
                raise DocumentError(line, "too much is nested here for a configuration")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._anchored(event.anchor or "", line), None)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise DocumentError(line, "a second document begins here; a configuration is one document")

    def _anchored(self, anchor: str, line: int) -> Node:
        """The node an alias stands for. The name stays out of the message: it may be a password's beginning."""
        if anchor not in self._anchors:
            raise DocumentError(line, "an alias to nothing", "a value that begins with * needs quotes")
        return self._anchors[anchor]

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node


_SENTENCES = {
    "mapping values are not allowed in this context": (
        "a colon where none can be",
        'indent with care, and put text that holds ": " in quotes',
    ),
    "could not find expected ':'": ("a key without its colon", None),
    "did not find expected key": ("a key was expected", "the indentation does not fit the lines around it"),
    "did not find expected '-' indicator": (
        "a list entry (-) was expected",
        "the indentation does not fit the lines around it",
    ),
    "did not find expected ',' or ']'": ("a list in [ ] is not closed", None),
    "did not find expected ',' or '}'": ("a mapping in { } is not closed", None),
    "found unexpected end of stream": ("a quote is opened and never closed", None),
    "did not find expected alphabetic or numeric character": (
        "a name was expected",
        "a value that begins with * or & needs quotes",
    ),
    "did not find expected whitespace or line break": (
        "a tag that does not end",
        "a value that begins with ! needs quotes",
    ),
    "found unknown escape character": (
        "an unknown escape in double quotes",
        "use single quotes for text with backslashes",
    ),
}
"""The parser's fixed phrases for what people do wrong most, in plain words. None repeats what the file holds."""


def _syntax_error(text: str, error: yaml.MarkedYAMLError) -> DocumentError:
    """The parser's complaint in plain words, at the line where the mend is due."""
    problem = error.problem or ""
    marks = [mark for mark in (error.problem_mark, error.context_mark) if mark is not None]
    mark = marks[-1 if "end of stream" in problem or "expected ','" in problem else 0]
    line = [*text.splitlines(), ""][mark.line]  # an error at the end of the text may stand behind the last line
    character = line[mark.column : mark.column + 1]
    if character == "\t":
        return DocumentError(mark.line + 1, "a tab is used for indentation", "YAML allows blanks only")
    if "cannot start any token" in problem:
        return DocumentError(mark.line + 1, f"a value cannot begin with {character}", "put it in quotes")
    message, hint = _SENTENCES.get(problem, (problem, None))
    return DocumentError(mark.line + 1, f"not valid YAML: {message}", hint)
