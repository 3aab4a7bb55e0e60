"""Nodes to plain data: tags resolved, every path's line remembered, everything wrong collected."""

from satellite.config.document import MAX_DEPTH, Collection, DocumentError, Node, Scalar, plain_value
from satellite.config.fields import did_you_mean, dotted
from satellite.config.secrets import Secrets, UnresolvedTagError
from satellite.core.section import Path
from satellite.errors import Problem

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]

_MAX_NODES = 5_000
"""Far above any real configuration; aliases of aliases multiply, and must not fill the memory."""
_SHORTEST_SCRUBBED = 4
"""Shorter secrets would blank out parts of ordinary words; fields that are secret are never shown anyway."""
_STANDARD = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_STANDARD + name for name in ("bool", "int", "float", "null")}
_TEXT_TAGS = {_STANDARD + "str", "!"}
_COLLECTION_TAGS = {_STANDARD + "map", _STANDARD + "seq", "!"}


class Reader:
    """Reads one document. `unusable` holds the paths that already have a problem and no value."""

    def __init__(self, file: str, secrets: Secrets) -> None:
        self.lines: dict[Path, int] = {}
        self.masked: set[Path] = set()
        self.secret_texts: set[str] = set()
        self.unusable: set[Path] = set()
        self.problems: list[Problem] = []
        self._file = file
        self._secrets = secrets
        self._nodes = 0

    def mapping(self, root: Collection) -> dict[str, Value]:
        """The whole document as plain data; raises DocumentError when it is no configuration by its sheer size."""
        self.lines[()] = root.line
        return self._mapping(root, ())

    def line_of(self, path: Path) -> int:
        """The line of the path, or of the nearest section around it that the file has."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def _complain(self, line: int, path: Path, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(self._file, line, dotted(path), message, hint))
        self.unusable.add(path)

    def _value(self, node: Node, path: Path) -> Value:
        self._count(node, len(path))
        if isinstance(node, Scalar):
            return self._scalar(node, path)
        if node.tag is not None and node.tag not in _COLLECTION_TAGS:
            self._complain(node.line, path, "a tag stands before a single value only")
            return None
        if node.is_mapping:
            return self._mapping(node, path)
        items: list[Value] = []
        for index, child in enumerate(node.children):
            self.lines[*path, index] = child.line
            items.append(self._value(child, (*path, index)))
        return items

    def _scalar(self, node: Scalar, path: Path) -> Value:
        if node.plain or node.tag in _PLAIN_TAGS:
            return plain_value(node.text)
        if node.tag is None or node.tag in _TEXT_TAGS:
            return node.text
        if node.tag not in self._secrets.tags:
            # The tag itself may be the beginning of a password that lacks its quotes.
            hint = did_you_mean(node.tag, self._secrets.tags) or "text that begins with ! needs quotes"
            self._complain(node.line, path, f"an unknown tag; there are {', '.join(self._secrets.tags)}", hint)
            return None
        try:
            text = self._secrets.resolve(node.tag, node.text)
        except UnresolvedTagError as missing:
            self._complain(node.line, path, missing.message, missing.hint)
            return None
        if node.tag != "!env_var":
            self.masked.add(path)
            if len(text) >= _SHORTEST_SCRUBBED:
                self.secret_texts.add(text.removeprefix("file:"))  # messages name the file alone
        return text

    def _mapping(self, node: Collection, path: Path) -> dict[str, Value]:
        data: dict[str, Value] = {}
        merges: list[Node] = []
        for key, child in node.pairs():
            if not isinstance(key, Scalar):
                self._complain(key.line, path, "a key must be a single word")
            elif key.plain and key.text == "<<":
                merges.append(child)
            elif key.text in data:
                first = self.lines[*path, key.text]
                message = f"the key is there twice (first in line {first})"
                self.problems.append(Problem(self._file, key.line, dotted((*path, key.text)), message))
            else:
                self.lines[*path, key.text] = key.line
                data[key.text] = self._value(child, (*path, key.text))
        for merge in merges:
            self._merge(merge, path, data, 0)
        return data

    def _merge(self, node: Node, path: Path, data: dict[str, Value], depth: int) -> None:
        """`<<: *other`: keys of another mapping (or of each in a list) that this one does not have itself."""
        self._count(node, depth)
        if isinstance(node, Scalar):
            self._complain(node.line, path, "<< merges mappings only")
            return
        if not node.is_mapping:
            for child in node.children:
                self._merge(child, path, data, depth + 1)
            return
        for key, child in node.pairs():
            if not isinstance(key, Scalar):
                self._complain(key.line, path, "a key must be a single word")
            elif key.text == "<<":
                self._merge(child, path, data, depth + 1)
            elif key.text not in data:
                self.lines[*path, key.text] = key.line
                data[key.text] = self._value(child, (*path, key.text))

    def _count(self, node: Node, depth: int) -> None:
        """Ends the reading before aliases of aliases fill the memory."""
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > MAX_DEPTH:
            raise DocumentError(node.line, "too much is nested or repeated here for a configuration")
