"""`check`, `config show` and `config schema` as a user runs them: other process, real files, nothing else printed."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CONFIG = Path(__file__).parents[2] / "config"
KEY = "voice: {deepl: {api_key: abcdefgh}}\n"
SECRETS = (
    "deepl_api_key: sk-hunter2-deepl\ndeepgram_api_key: sk-hunter2-deepgram\nmqtt_password: hunter2-mqtt\n"
    "vurbo_api_key: vas_hunter2hunter2hunter2hunter2hunt\npalabra_api_key: plbr_hunter2\n"
)


def command(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "satellite", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


BROKEN: dict[str, tuple[str | bytes, list[str]]] = {
    # --- not a configuration at all
    "empty": ("", ["1: the file is empty (the smallest that works is voice: {backend: deepl, deepl: {api_key: …}})"]),
    "comments only": ("# later\n", ["1: the file is empty (the smallest that works is voice: {backend: deepl, …"]),
    "a list": ("- voice\n", ["1: must be a mapping of sections (such as voice: …"]),
    "tab": ("voice:\n\tbackend: deepl\n", ["2: a tab is used for indentation (YAML allows blanks only)"]),
    "open quote": ("voice:\n  deepl: {api_key: 'x}\n", ["2: not valid YAML: a quote is opened and never closed"]),
    "open bracket": (
        KEY + "satellite:\n  name: [a\n  id: b\n",
        ["3: not valid YAML: a list in [ ] is not closed"],
    ),
    "colon in text": (KEY + "satellite:\n  name: a: b\n", ["3: not valid YAML: a colon where none can be (…"]),
    "indentation": (KEY + "mqtt:\n  host: a\n   port: 1\n", ["4: not valid YAML: a colon where none can be (…"]),
    "not UTF-8": (KEY.encode() + b"satellite: {name: K\xfcche}\n", ["2: the file is not UTF-8 text"]),
    "control character": (KEY + "satellite: {name: a\x07}\n", ["2: the file holds a control character, …"]),
    "two documents": (KEY + "---\n" + KEY, ["2: a second document begins here; …"]),
    "alias bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
        ["1: too much is nested or repeated here for a configuration"],
    ),
    "recursive alias": ("a: &a {b: *a}\n", ["1: too much is nested or repeated here for a configuration"]),
    "deep": ("[" * 100_000, ["1: too much is nested here for a configuration"]),
    "huge": ("#" * (2 << 20), ["1: the file is larger than 1024 KiB; this is no configuration"]),
    # --- keys
    "misspelt section": (KEY + "audoi: {}\n", ["2: audoi: unknown key (did you mean audio?)"]),
    "misspelt key": (
        KEY + "audio:\n  input:\n    devcie: hw\n",
        ["4: audio.input.devcie: unknown key (did you mean device?)"],
    ),
    "key at the wrong level": (
        KEY + "base_topic: x\n",
        ["2: base_topic: unknown key (it belongs under mqtt)"],
    ),
    "key twice": (KEY + "mqtt:\n  host: a\n  host: b\n", ["4: mqtt.host: the key is there twice (first in line 3)"]),
    "odd key": (KEY + "mqtt:\n  ? [a]\n  : b\n", ["3: mqtt: a key must be a single word"]),
    "section without its indentation": (
        KEY + "mqtt: broker.lan\n",
        ["2: mqtt: must be a section: indented `key: value` lines"],
    ),
    # --- values
    "word for a number": (
        KEY + "audio: {output: {volume: loud}}\n",
        ['2: audio.output.volume: must be a whole number, not "loud"'],
    ),
    "true for a number": (KEY + "vad: {onset_ms: true}\n", ["2: vad.onset_ms: must be a number, not true"]),
    "number for text": (KEY + "satellite: {name: 7}\n", ["2: satellite.name: must be text, not 7 (put it in quotes)"]),
    "misspelt choice": (
        KEY + "audio: {duplex: simultanous}\n",
        ['2: audio.duplex: must be consecutive or simultaneous, not "simultanous" (did you mean simultaneous?)'],
    ),
    "ranges": (
        KEY + "audio:\n  tail_ms: -5\n  input: {rate_hz: 4000, gain_db: 99}\nmqtt: {port: 70000}\n"
        "vad: {aggressiveness: 4}\n",
        [
            "3: audio.tail_ms: must be 0 or more, not -5",
            "4: audio.input.rate_hz: must be 8000 or more, not 4000",
            "4: audio.input.gain_db: must be 40 or less, not 99",
            "5: mqtt.port: must be 65535 or less, not 70000",
            "6: vad.aggressiveness: must be 3 or less, not 4",
        ],
    ),
    "id": (KEY + "satellite: {id: Küche 1}\n", ["2: satellite.id: must begin with a small letter or a digit and …"]),
    "languages": (
        "voice:\n  deepl: {api_key: abcdefgh}\n  source_language: english\n  target_languages: de, fr\n"
        "  speech_language: off\n",
        [
            "3: voice.source_language: must be a BCP 47 language tag such as en, de or pt-BR",
            '4: voice.target_languages: must be a list ([a, b], or one `- entry` per line), not "de, fr"',
            "5: voice.speech_language: must be a BCP 47 language tag, or null for none",
        ],
    ),
    "language twice": (
        "voice:\n  deepl: {api_key: abcdefgh}\n  target_languages:\n  - de\n  - DE\n",
        ["5: voice.target_languages[1]: DE is there twice"],
    ),
    "topics": (
        KEY + "mqtt:\n  base_topic: /voice\n  discovery_prefix: ha/#\n",
        ["3: mqtt.base_topic: must be an MQTT topic without …", "4: mqtt.discovery_prefix: must be an MQTT topic …"],
    ),
    "host with scheme": (KEY + "mqtt: {host: 'mqtt://b'}\n", ["2: mqtt.host: must be a host name or an address, …"]),
    # --- backend and credentials
    "no credentials": (
        "mqtt: {host: broker}\n",
        ["1: voice.deepl.api_key: is missing (write `api_key: !secret NAME` and put NAME into secrets.yaml)"],
    ),
    "misspelt backend": (
        "voice: {backend: deepll}\n",
        ['1: voice.backend: must be deepgram, deepl, loopback, palabra or vurbo, not "deepll" (did you mean deepl?)'],
    ),
    "plain http": (
        "voice:\n  deepl:\n    api_key: abcdefgh\n    base_url: http://example.com\n",
        ["4: voice.deepl.base_url: must begin with https://; http:// is for loopback addresses only"],
    ),
    "free key": ("voice: {deepl: {api_key: 'x:fx'}}\n", ["1: voice.deepl.api_key: is a key of the API Free plan …"]),
    "too many languages": (
        "voice:\n  deepl: {api_key: abcdefgh}\n  target_languages: [de, fr, es, it, nl, pl]\n",
        ["3: voice.target_languages: 6 languages, the spoken one included; the service takes 5 (leave some out)"],
    ),
    # --- values that stand elsewhere
    "missing secret": (
        "voice: {deepl: {api_key: !secret deepl_key}}\n",
        ["1: voice.deepl.api_key: !secret deepl_key is not in secrets.yaml (did you mean deepl_api_key?)"],
    ),
    "missing variable": (
        KEY + "mqtt: {port: !env_var NOT_SET_ANYWHERE}\n",
        ["2: mqtt.port: !env_var NOT_SET_ANYWHERE: the environment variable is not set (set it, or give a default: …"],
    ),
    "missing credential": (
        "voice: {deepl: {api_key: !credential deepl}}\n",
        ["1: voice.deepl.api_key: !credential deepl: $CREDENTIALS_DIRECTORY is not set (…"],
    ),
    "unknown tag": (
        KEY + "mqtt: !include mqtt.yaml\n",
        ["2: mqtt: an unknown tag; there are !secret, !env_var, !credential (text that begins with ! needs quotes)"],
    ),
    # --- combinations and the world outside
    "impossible together": (
        KEY + "audio:\n  barge_in: true\n  input: {channels: 2, channel: 2}\nmqtt: {password: x}\n",
        [
            "3: audio.barge_in: works with audio.duplex: simultaneous only",
            "4: audio.input.channel: channel 2 of 2: channels are counted from 0 (the highest is 1)",
            "5: mqtt.password: has no effect without mqtt.username (add the user name)",
        ],
    ),
    "missing files": (
        KEY + "audio: {input: {device: 'file:/not/there.wav'}}\nmqtt:\n  tls: {cert_file: /not/there.pem}\n",
        [
            "2: audio.input.device: /not/there.wav cannot be read: no such file or directory",
            "4: mqtt.tls.cert_file: needs mqtt.tls.key_file beside it",
            "4: mqtt.tls.cert_file: /not/there.pem cannot be read: no such file or directory",
        ],
    ),
    "not in this version": (
        KEY + "web: {enabled: true}\nvad: {detector: silero}\naudio: {echo_cancellation: on}\n",
        [
            "2: web.enabled: is not part of this version (set it to false)",
            "3: vad.detector: silero is not part of this version (webrtc is the nearest)",
            "4: audio.echo_cancellation: is not part of this version (set it to false, and use headphones …",
        ],
    ),
    # --- passwords that lack their quotes
    "password with a star": (KEY + "mqtt: {password: *hunter2}\n", ["2: an alias to nothing (…"]),
    "password with an exclamation mark": (
        KEY + "mqtt:\n  password: !hunter2\n",
        ["3: mqtt.password: an unknown tag; …"],
    ),
    "password with an exclamation mark in braces": (
        KEY + "mqtt: {password: !hunter2}\n",
        ["2: not valid YAML: a tag that does not end (a value that begins with ! needs quotes)"],
    ),
    "password of digits": (KEY + "mqtt:\n  password: 4711\n", ["3: mqtt.password: must be text (put it in quotes)"]),
    "key in the place of its section": ("voice: {deepl: hunter2}\n", ["1: voice.deepl: must be a section: …"]),
}


def write(directory: Path, text: str | bytes) -> None:
    (directory / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    (directory / "secrets.yaml").write_text(SECRETS)
    (directory / "secrets.yaml").chmod(0o600)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_configuration_is_refused_with_every_problem_and_nothing_else(tmp_path: Path, name: str) -> None:
    text, expected = BROKEN[name]
    write(tmp_path, text)
    result = command("check", "-c", "config.yaml", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (78, "")
    lines = result.stdout.splitlines()
    assert len(lines) == len(expected), result.stdout
    for line, wanted in zip(lines, expected, strict=True):
        beginning, _, _ = wanted.partition("…") if wanted.endswith("…") else (wanted, "", "")
        assert line.startswith(f"config.yaml:{beginning}")
        assert line == f"config.yaml:{wanted}" or wanted.endswith("…")
        assert re.match(r"config\.yaml:[1-9][0-9]*: \S", line)
    for secret in ("hunter2", "4711", "abcdefgh"):
        assert secret not in result.stdout


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    result = command("check", "-c", "none.yaml", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (78, "")
    assert result.stdout == "none.yaml:1: cannot be read: no such file or directory\n"


def test_a_terminal_without_some_letter_is_no_fault(tmp_path: Path) -> None:
    write(tmp_path, KEY + "satellite: {name: 7, küche: x}\n")
    result = command("check", "-c", "config.yaml", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (78, "")
    assert "config.yaml:2: satellite.k?che: unknown key\n" in result.stdout


def test_problems_of_the_secrets_file_name_that_file(tmp_path: Path) -> None:
    write(tmp_path, "voice: {deepl: {api_key: !secret deepl_api_key}}\n")
    (tmp_path / "secrets.yaml").write_text("deepl_api_key: sk-hunter2\nother: [sk-hunter2]\n")
    result = command("check", "-c", "config.yaml", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (78, "")
    assert result.stdout == "secrets.yaml:2: a secret is one text: `name: value`\n"


def test_a_good_configuration_is_one_short_line(tmp_path: Path) -> None:
    write(tmp_path, KEY)
    result = command("check", "-c", "config.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "config.yaml: ok\n", "")


def test_warnings_are_told_and_pass(tmp_path: Path) -> None:
    write(tmp_path, "voice:\n  deepl: {api_key: !secret deepl_api_key}\n  target_languages: [tlh]\n")
    (tmp_path / "secrets.yaml").chmod(0o644)
    result = command("check", "-c", "config.yaml", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[-1] == "config.yaml: ok"
    assert any(line.startswith("config.yaml:3: voice.target_languages: warning: tlh is not in ") for line in lines)
    assert "secrets.yaml:1: warning: others may read the secrets (chmod 600 secrets.yaml)" in lines


@pytest.mark.parametrize("name", ["example.yaml", "deepl.yaml", "vurbo.yaml", "palabra.yaml", "deepgram.yaml"])
def test_the_examples_can_be_used(tmp_path: Path, name: str) -> None:
    write(tmp_path, (CONFIG / name).read_bytes())
    result = command("check", "-c", "config.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "config.yaml: ok\n", "")


def test_the_example_holds_every_key_with_its_default(tmp_path: Path) -> None:
    """What `config show` prints for the example is what it prints for the smallest files, but for who it is."""
    write(tmp_path, (CONFIG / "example.yaml").read_bytes())
    example = yaml.safe_load(command("config", "show", "-c", "config.yaml", cwd=tmp_path).stdout)
    write(tmp_path, (CONFIG / "deepl.yaml").read_bytes())
    smallest = yaml.safe_load(command("config", "show", "-c", "config.yaml", cwd=tmp_path).stdout)
    assert example.pop("satellite") == {"id": "kitchen", "name": "Kitchen", "area": "Kitchen"}
    assert set(smallest.pop("satellite")) == {"id", "name", "area"}
    assert example == smallest
    text = (CONFIG / "example.yaml").read_text(encoding="utf-8")

    def keys(data: dict[str, object]) -> set[str]:
        nested = [keys(value) for value in data.values() if isinstance(value, dict)]
        return set(data).union(*nested)

    assert {key for key in keys(example) if not re.search(rf"^ *{key}:", text, re.MULTILINE)} == set()


@pytest.mark.parametrize("name", ["vurbo", "palabra", "deepgram"])
def test_the_example_shows_every_option_of_the_other_services_with_its_default(tmp_path: Path, name: str) -> None:
    """They stand there as comments: whoever takes the marks away has a section that changes nothing."""
    lines = (CONFIG / "example.yaml").read_text(encoding="utf-8").splitlines()
    after = itertools.dropwhile(lambda line: line != f"  # {name}:", lines)
    section = [f"  {line[4:]}" for line in itertools.takewhile(lambda line: line.startswith("  # "), after)]
    smallest = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    write(tmp_path, smallest)
    expected = yaml.safe_load(command("config", "show", "-c", "config.yaml", cwd=tmp_path).stdout)["voice"][name]
    voice = yaml.safe_load(re.sub(r"!\w+ ", "", smallest))["voice"] | {name: None}
    head = yaml.safe_dump({"voice": voice}).replace(f"  {name}: null\n", "")
    write(tmp_path, head + "\n".join(section) + "\n")
    shown = yaml.safe_load(command("config", "show", "-c", "config.yaml", cwd=tmp_path).stdout)["voice"][name]
    assert shown == expected
    assert set(shown) <= {line.strip("# ").partition(":")[0] for line in section}


def test_the_effective_configuration_is_shown_with_secrets_masked(tmp_path: Path) -> None:
    (tmp_path / "host").write_text("hunter2-host\n")
    write(
        tmp_path,
        "voice: {deepl: {api_key: !secret deepl_api_key}}\n"
        "mqtt: {username: u, password: hunter2-literal, host: !credential host, client_id: !env_var CLIENT}\n",
    )
    result = command(
        "config", "show", "-c", "config.yaml", cwd=tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path), CLIENT="from-env"
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "hunter2" not in result.stdout
    mqtt = yaml.safe_load(result.stdout)["mqtt"]
    assert (mqtt["password"], mqtt["host"], mqtt["client_id"]) == ("****", "****", "from-env")


def test_showing_a_broken_configuration_tells_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, KEY + "mqtt: {prot: 1}\n")
    result = command("config", "show", "-c", "config.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (78, "")
    assert result.stderr == "config.yaml:2: mqtt.prot: unknown key (did you mean port?)\n"


def test_the_schema_is_printed() -> None:
    result = command("config", "schema")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == json.loads((CONFIG / "schema.json").read_text(encoding="utf-8"))
