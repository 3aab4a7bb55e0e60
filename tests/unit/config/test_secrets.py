import os
from pathlib import Path

import pytest

from satellite.config.secrets import Secrets, UnresolvedTagError


def write_secrets(directory: Path, text: str, mode: int = 0o600) -> Path:
    file = directory / "secrets.yaml"
    file.write_text(text)
    file.chmod(mode)
    return file


def unresolved(secrets: Secrets, tag: str, argument: str) -> UnresolvedTagError:
    with pytest.raises(UnresolvedTagError) as caught:
        secrets.resolve(tag, argument)
    return caught.value


def test_a_secret_is_the_text_as_written(tmp_path: Path) -> None:
    write_secrets(tmp_path, "key: abc\nnumber: 0123\nquoted: 'a: b'\nno: no\n")
    secrets = Secrets(tmp_path, {})
    assert [secrets.resolve("!secret", name) for name in ("key", " number ", "quoted", "no")] == [
        "abc",
        "0123",
        "a: b",
        "no",
    ]
    assert secrets.problems == secrets.warnings == []


def test_a_missing_secrets_file_is_told_with_the_mend(tmp_path: Path) -> None:
    error = unresolved(Secrets(tmp_path, {}), "!secret", "key")
    assert error.message == f"!secret key: there is no {tmp_path / 'secrets.yaml'}"
    assert error.hint == "create it with a line `key: …`"


def test_a_missing_secret_is_told_with_the_nearest(tmp_path: Path) -> None:
    write_secrets(tmp_path, "deepl_api_key: abc\n")
    secrets = Secrets(tmp_path, {})
    assert unresolved(secrets, "!secret", "deepl_key").hint == "did you mean deepl_api_key?"
    assert "add a line" in (unresolved(secrets, "!secret", "zzz").hint or "")


def test_an_empty_secrets_file_holds_nothing(tmp_path: Path) -> None:
    write_secrets(tmp_path, "# none yet\n")
    assert "is not in" in unresolved(Secrets(tmp_path, {}), "!secret", "key").message


def test_secrets_that_others_may_read_are_worth_a_warning(tmp_path: Path) -> None:
    file = write_secrets(tmp_path, "key: abc\n", mode=0o640)
    secrets = Secrets(tmp_path, {})
    assert secrets.resolve("!secret", "key") == "abc"
    assert [str(warning) for warning in secrets.warnings] == [
        f"{file}:1: warning: others may read the secrets (chmod 600 {file})"
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [x]\n", 2, "one text"),
        ("a: 1\n? [x]\n: 2\n", 2, "one text"),
        ("a: 1\na: 2\n", 2, "a is there twice"),
        ("a:\n", 1, "a is empty or has a tag"),
        ("a: !secret b\n", 1, "a is empty or has a tag"),
        ("- a\n", 1, "one `name: value` per line"),
        ("just text\n", 1, "one `name: value` per line"),
        ("a: 'x\n", 1, "a quote is opened"),
    ],
)
def test_a_broken_secrets_file_has_its_own_problems(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = write_secrets(tmp_path, text)
    secrets = Secrets(tmp_path, {})
    error = unresolved(secrets, "!secret", "other")
    assert "before" in error.message
    (problem,) = secrets.problems
    assert (problem.file, problem.line) == (str(file), line)
    assert words in problem.message


def test_a_secrets_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").mkdir()
    secrets = Secrets(tmp_path, {})
    unresolved(secrets, "!secret", "key")
    assert [problem.message for problem in secrets.problems] == ["cannot be read: is a directory"]


def test_the_environment_comes_before_the_default() -> None:
    secrets = Secrets(Path(), {"SET": "value", "EMPTY": ""})
    assert secrets.resolve("!env_var", "SET other") == "value"
    assert secrets.resolve("!env_var", "EMPTY other") == ""
    assert secrets.resolve("!env_var", "UNSET  two words ") == "two words"


def test_an_unset_variable_without_default_is_told() -> None:
    error = unresolved(Secrets(Path(), {}), "!env_var", "UNSET")
    assert error.message == "!env_var UNSET: the environment variable is not set"
    assert "UNSET VALUE" in (error.hint or "")


def test_a_credential_is_the_file_without_its_final_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"abc def\r\n")
    assert Secrets(Path(), {"CREDENTIALS_DIRECTORY": str(tmp_path)}).resolve("!credential", "key") == "abc def"


def test_credentials_that_are_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(os.urandom(8) + b"\xff")
    secrets = Secrets(Path(), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert unresolved(secrets, "!credential", "key").message == "!credential key: no such file or directory"
    assert unresolved(secrets, "!credential", "../key").message == "!credential takes a name without slashes"
    assert unresolved(secrets, "!credential", "a\0b").message == "!credential takes a name without slashes"
    assert "not UTF-8" in unresolved(secrets, "!credential", "binary").message
    outside = unresolved(Secrets(Path(), {}), "!credential", "key")
    assert "$CREDENTIALS_DIRECTORY is not set" in outside.message
    assert "LoadCredential=key:FILE" in (outside.hint or "")


def test_there_are_three_tags() -> None:
    assert Secrets(Path(), {}).tags == ("!secret", "!env_var", "!credential")


def test_a_tag_needs_a_name() -> None:
    assert unresolved(Secrets(Path(), {}), "!secret", " ").message == "!secret needs a name"
