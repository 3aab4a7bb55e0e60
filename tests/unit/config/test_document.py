import pytest

from satellite.config.document import MAX_FILE_BYTES, Collection, DocumentError, Scalar, decode, parse, plain_value


def refused(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    return caught.value


def test_a_document_becomes_nodes_that_know_their_lines() -> None:
    root = parse("a: 1\nb:\n  - 'x'\n  - !secret y\n")
    assert isinstance(root, Collection)
    assert root.is_mapping
    (key_a, one), (_, items) = root.pairs()
    assert key_a == Scalar(1, None, "a", True)
    assert one == Scalar(1, None, "1", True)
    assert isinstance(items, Collection)
    assert not items.is_mapping
    assert items.children == [Scalar(3, None, "x", False), Scalar(4, "!secret", "y", False)]


def test_an_empty_document_has_no_root() -> None:
    assert parse("") is None
    assert parse("# nothing\n") is None


def test_an_alias_is_the_node_it_names() -> None:
    root = parse("a: &x {k: v}\nb: *x\n")
    assert isinstance(root, Collection)
    (_, first), (_, second) = root.pairs()
    assert first is second


@pytest.mark.parametrize("text", ["- " * 100_000, "[" * 100_000, "{a: " * 100_000])
def test_deep_nesting_is_refused_before_it_costs_anything(text: str) -> None:
    assert refused(text).message == "too much is nested here for a configuration"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: c: d\n", 2, "a colon where none can be"),
        ("a: 1\n b: 2\n", 2, "a colon where none can be"),
        ("a:\n\tb: 1\n", 2, "a tab"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "a tab"),
        ("a: x\n\tb: 1\n", 2, "a tab"),
        ("a: @x\n", 1, "a value cannot begin with @"),
        ("a: 1\nb: `x\n", 2, "a value cannot begin with `"),
        ("a: 1\nb: 'x\nc: 2\n", 2, "a quote is opened"),
        ("a:\n  b: [1,\n    2\nc: 3\n", 2, "a list in [ ] is not closed"),
        ("a: {b: 1\nc: 3\n", 1, "a mapping in { } is not closed"),
        ("a: 1\n- b\n", 2, "a key was expected"),
        ("- a\nb: 1\n", 2, "a list entry"),
        ("a: 1\nb: *\n", 2, "a name was expected"),
        ("a: {b: !x}\n", 1, "a tag that does not end"),
        ('a: "\\q"\n', 1, "an unknown escape"),
        ("a: *nowhere\n", 1, "an alias to nothing"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: 1\nb: \x01\n", 2, "a control character"),
        ("%YAML 3.0\n---\na: 1\n", 1, "not valid YAML: found incompatible YAML document"),
        ("a: 1\nbc\nd: 1\n", 3, "a key without its colon"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int, words: str) -> None:
    error = refused(text)
    assert (error.line, words) == (line, words)
    assert words in error.message


def test_a_password_without_quotes_does_not_show_in_the_message() -> None:
    error = refused("password: *hunter2\n")
    assert "hunter2" not in f"{error} {error.message} {error.hint}"
    assert error.hint == "a value that begins with * needs quotes"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("off", "off"),
        ("12", 12),
        ("-7", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("9" * 5000, "9" * 5000),
        ("de", "de"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    result = plain_value(text)
    assert result == value
    assert type(result) is type(value)


def test_text_is_utf_8_with_or_without_a_mark() -> None:
    assert decode("\ufeffa: ü".encode()) == "a: ü"


def test_other_encodings_are_refused_with_the_line() -> None:
    with pytest.raises(DocumentError, match="not UTF-8") as caught:
        decode("a: 1\nb: ü\n".encode("latin-1"))
    assert caught.value.line == 2


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(DocumentError, match="larger than 1024 KiB"):
        decode(b"#" * (MAX_FILE_BYTES + 1))
