# Sourced by the other scripts: installs what is missing, says what and why, and fails with a sentence.
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
  log=$(mktemp)
  "${as_root[@]}" apt-get update -qq >"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "apt-get update failed: is there a network?"; }
  echo "Installing the Debian packages above: $(packages_size "${missing[@]}") ..."
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; fail "apt-get could not install: ${missing[*]}"; }
  rm -f "$log"
}

# packages_size PACKAGE...: what apt-get would download and what that takes, with the packages they need.
packages_size() {
  LC_ALL=C apt-get install -y --print-uris --no-install-recommends "$@" 2>/dev/null | awk '
    /^Need to get/ { split($0, get, /Need to get | of archives/) }
    /^After this operation/ { use = $4 " " $5 }
    END { if (use) printf "a download of %s, %s on disk", get[2], use
      else printf "a download whose size only `apt-get update` can tell" }'
}

check_python() {
  command -v "$PYTHON" >/dev/null || fail "$PYTHON is not here: apt-get install python3"
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed, $PYTHON is $("$PYTHON" -V 2>&1); set PYTHON=/path/to/python3"
}

need_venv() {
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

# install_promtool: the judge of alert rules and dashboards, out of Debian's package, of which nothing is installed.
install_promtool() {
  local cache=${XDG_CACHE_HOME:-$HOME/.cache}/voice-satellite work package=promtool
  [ -n "${PROMTOOL:-}" ] || command -v promtool >/dev/null || [ -x "$cache/promtool" ] && return
  apt-cache show promtool >/dev/null 2>&1 || package=prometheus  # Debian 12 has it in there
  echo "Fetching promtool for the tests of alert rules (once, a download of 16 to 19 MB) ..."
  mkdir -p "$cache"
  work=$(mktemp -d -p "$cache")
  if ! (cd "$work" && apt-get download -qq -o APT::Sandbox::User= $package && dpkg-deb -x ${package}_*.deb . \
    && mv usr/bin/promtool "$cache/promtool") >"$work/log" 2>&1; then
    tail -n 3 "$work/log" >&2
    echo "promtool could not be fetched: the tests of alert rules are skipped"
  fi
  rm -rf "$work"
}

# A Home Assistant of its own, against which the tests of discovery run; without it they are skipped and say so.
# HOMEASSISTANT names another one: a virtual environment with Home Assistant and HOMEASSISTANT_PACKAGES in it.
# The newest needs Python 3.14. Debian 13 has 3.13, for which there is one of some months before.
HOMEASSISTANT_VERSION=2026.11.0
HOMEASSISTANT_PYTHON=3.14
HOMEASSISTANT_SYSTEM_PYTHON=
if "python$HOMEASSISTANT_PYTHON" -c 'import sys, venv; sys.exit(sys.version_info < (3, 14, 2))' 2>/dev/null; then
  HOMEASSISTANT_SYSTEM_PYTHON=python$HOMEASSISTANT_PYTHON
elif "$PYTHON" -c 'import sys; sys.exit(not (3, 13, 2) <= sys.version_info < (3, 14))' 2>/dev/null; then
  HOMEASSISTANT_SYSTEM_PYTHON=$PYTHON
  HOMEASSISTANT_VERSION=2026.2.3
fi
HOMEASSISTANT_PYTHON_FROM=forky
HOMEASSISTANT_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/voice-satellite
HOMEASSISTANT_ENVIRONMENT=$HOMEASSISTANT_CACHE/homeassistant-$HOMEASSISTANT_VERSION
# MQTT and the pages need the first two; without the others parts that always load would not, and the log would say so.
HOMEASSISTANT_PACKAGES="paho-mqtt home-assistant-frontend hassil home-assistant-intents aiohasupervisor ha-ffmpeg mutagen numpy
  PyTurboJPEG"
[ "$HOMEASSISTANT_VERSION" = 2026.2.3 ] || HOMEASSISTANT_PACKAGES+=" gazetteer-matcher infrared-protocols rf-protocols"

has_homeassistant() {
  [ -n "${HOMEASSISTANT:-}" ] || [ -f "$HOMEASSISTANT_ENVIRONMENT/.installed" ]
}

need_homeassistant() {
  has_homeassistant || [ -n "$HOMEASSISTANT_SYSTEM_PYTHON" ] ||
    need_packages "lets Home Assistant's Python run here" patchelf
}

# fetch_python DIRECTORY: the Python that Home Assistant needs out of a newer Debian, with that Debian's C library,
# unpacked into a directory. Nothing of the system is changed. A mirror that was frozen some weeks ago will do.
fetch_python() {
  local directory=$1 apt=$1/apt architecture package mirror
  architecture=$(dpkg --print-architecture) || return
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
  [ -n "$mirror" ] || { echo "no mirror of Debian is configured here"; return 1; }
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" || return
  : >"$apt/status"
  printf 'deb [signed-by=%s] %s %s main\n' \
    /usr/share/keyrings/debian-archive-keyring.gpg "$mirror" "$HOMEASSISTANT_PYTHON_FROM" >"$apt/sources.list"
  printf '%s\n' "Dir::Etc::sourcelist \"$apt/sources.list\";" \
    "Dir::Etc::sourceparts \"-\";" "Dir::State \"$apt\";" "Dir::State::status \"$apt/status\";" "Dir::Cache \"$apt/cache\";" \
    "APT::Architecture \"$architecture\";" "APT::Sandbox::User \"\";" "Debug::NoLocking \"true\";" \
    "Acquire::Check-Valid-Until \"false\";" \
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";" >"$apt/apt.conf"
  APT_CONFIG=$apt/apt.conf apt-get -qq update &&
    APT_CONFIG=$apt/apt.conf apt-get -qq -y --no-install-recommends --download-only install \
      "python$HOMEASSISTANT_PYTHON-venv" || return
  for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$directory" || return
  done
  rm -rf "$apt"
  patchelf --set-interpreter "$(echo "$directory"/usr/lib*/ld-linux-*.so.*)" --force-rpath \
    --set-rpath "$(dirname "$(echo "$directory"/usr/lib/*-linux-*/libc.so.6)")" \
    "$directory/usr/bin/python$HOMEASSISTANT_PYTHON"
}

# make_homeassistant WORK: the environment itself; what can be thrown away afterwards goes into WORK.
make_homeassistant() {
  local work=$1 python=$HOMEASSISTANT_SYSTEM_PYTHON own=$HOMEASSISTANT_CACHE/python$HOMEASSISTANT_PYTHON
  if [ -z "$python" ]; then
    python=$own/usr/bin/python$HOMEASSISTANT_PYTHON
    "$python" -c "" || { rm -rf "$own"; fetch_python "$own"; } || return
  fi
  rm -rf "$HOMEASSISTANT_ENVIRONMENT"
  "$python" -m venv --without-pip "$HOMEASSISTANT_ENVIRONMENT" &&
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --target "$work/uv" uv || return
  into_homeassistant() {
    UV_CACHE_DIR=$work/cache "$work/uv/bin/uv" pip install -q --python "$HOMEASSISTANT_ENVIRONMENT/bin/python" "$@"
  }
  into_homeassistant "homeassistant==$HOMEASSISTANT_VERSION" &&
    into_homeassistant -c "$(echo "$HOMEASSISTANT_ENVIRONMENT"/lib/*/site-packages/homeassistant/package_constraints.txt)" \
      $HOMEASSISTANT_PACKAGES || return
  # Two libraries for the sound of its own voice assistant would have to be compiled. Nobody speaks to it here, but
  # without their names its pages do not load.
  (
    cd "$HOMEASSISTANT_ENVIRONMENT"/lib/*/site-packages &&
      echo 'class MicroVad: """Not installed."""' >pymicro_vad.py &&
      echo 'class AudioProcessor: """Not installed."""' >pyspeex_noise.py
  ) && touch "$HOMEASSISTANT_ENVIRONMENT/.installed"
}

install_homeassistant() {
  local work
  has_homeassistant && return
  echo "Installing Home Assistant $HOMEASSISTANT_VERSION for the tests of discovery" \
    "(once, one to two minutes, a download of 400 MB, 1 GB in $HOMEASSISTANT_CACHE) ..."
  mkdir -p "$HOMEASSISTANT_CACHE"
  work=$(mktemp -d -p "$HOMEASSISTANT_CACHE")
  make_homeassistant "$work" >"$work/log" 2>&1 ||
    { tail -n 3 "$work/log" >&2; echo "Home Assistant could not be installed: the tests of discovery are skipped"; }
  rm -rf "$work"
}
