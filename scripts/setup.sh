# Sourced by scripts/demo and scripts/test: installs what is missing, says what and why, and fails with a sentence.
# Every step looks first and does nothing when it is already done.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PYTHON=${PYTHON:-python3}
VENV=${VENV:-$PWD/.venv}

fail() {
  printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# need_packages WHY PACKAGE...: collects the Debian packages that are not installed yet.
missing=()
need_packages() {
  local why=$1 package wanted=()
  shift
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || wanted+=("$package")
  done
  [ ${#wanted[@]} = 0 ] || printf '  %-40s %s\n' "$why" "${wanted[*]}"
  missing+=("${wanted[@]}")
}

install_packages() {
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null ||
    fail "this script installs packages with apt-get (Debian, Raspberry Pi OS, Ubuntu), which is not here; needed: ${missing[*]}"
  local as_root=() log
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "installing packages needs root, and sudo is not here; as root run: apt-get install ${missing[*]}"
    sudo true || fail "installing packages needs root, and sudo refused; as root run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  echo "Installing the Debian packages above ..."
  log=$(mktemp)
  "${as_root[@]}" apt-get update -qq >"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "apt-get update failed: is there a network?"; }
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; fail "apt-get could not install: ${missing[*]}"; }
  rm -f "$log"
}

check_python() {
  command -v "$PYTHON" >/dev/null || fail "$PYTHON is not here: apt-get install python3"
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed, $PYTHON is $("$PYTHON" -V 2>&1); set PYTHON=/path/to/python3"
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || need_packages "makes the virtual environment" python3-venv
}

# install_python EXTRA: the project and what it imports into .venv, again only when pyproject.toml has changed.
# What EXTRA=dev installs is enough for every other.
install_python() {
  local extra=$1 stamp
  for stamp in "$VENV/.installed-${extra:-core}" "$VENV/.installed-dev"; do
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cksum <pyproject.toml)" ] && return
  done
  [ ! -e "$VENV" ] || [ -w "$VENV" ] || fail "$VENV belongs to somebody else; remove it, or set VENV=/another/directory"
  # pip comes last: without it the environment is half made
  [ -x "$VENV/bin/pip" ] || "$PYTHON" -m venv "$VENV" || fail "could not make the virtual environment $VENV"
  echo "Installing Python packages into $VENV ..."
  "$VENV/bin/python" -m pip install -qq --disable-pip-version-check -e ".${extra:+[$extra]}" ||
    fail "pip could not install the Python packages: is there a network?"
  cksum <pyproject.toml >"$VENV/.installed-${extra:-core}"
}

# install_livekit: a LiveKit server, against which the tests of rooms run; without Go they are skipped and say so.
# Built as its own main module: its go.mod replaces modules, which `go install` refuses.
LIVEKIT_VERSION=v1.11.0
install_livekit() {
  local cache=${XDG_CACHE_HOME:-$HOME/.cache}/voice-satellite module=github.com/livekit/livekit-server work
  local program=$cache/livekit-server-$LIVEKIT_VERSION
  [ -n "${LIVEKIT_SERVER:-}" ] || command -v livekit-server >/dev/null || [ -x "$program" ] && return
  command -v go >/dev/null || { echo "Go is not here: the tests of WebRTC rooms are skipped"; return; }
  echo "Building livekit-server $LIVEKIT_VERSION for the tests of WebRTC rooms (once, two to three minutes) ..."
  work=$(mktemp -d)
  mkdir -p "$cache"
  if go mod download "$module@$LIVEKIT_VERSION" >"$work/log" 2>&1 &&
    cp -r "$(go env GOMODCACHE)/$module@$LIVEKIT_VERSION/." "$work/src" && chmod -R u+w "$work/src" &&
    (cd "$work/src" && go build -ldflags "-s -w" -o "$program.new" ./cmd/server) >>"$work/log" 2>&1; then
    mv "$program.new" "$program"
  else
    tail -n 3 "$work/log" >&2
    echo "livekit-server could not be built: the tests of WebRTC rooms are skipped"
  fi
  rm -rf "$work"
}
