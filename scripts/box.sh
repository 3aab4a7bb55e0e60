# Sourced by scripts/install, scripts/uninstall and scripts/wheels: where things are on a box, and how they are changed.

called_from=$PWD
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
unset PYTHONPATH PYTHONHOME

NAME=voice-satellite
dry_run=
changes=0

# lay_out ROOT: where everything is below ROOT, which is empty for this system.
lay_out() {
  root=$1
  prefix=$root/opt/$NAME
  versions=$prefix/versions
  current=$prefix/current
  previous=$prefix/previous
  brought=$prefix/debian-packages
  command=$root/usr/local/bin/$NAME
  configuration=$root/etc/$NAME
  state=$root/var/lib/$NAME
  unit=$root/etc/systemd/system/$NAME.service
}

usage_error() {
  printf '%s: %s (--help tells more)\n' "$(basename "$0")" "$*" >&2
  exit 2
}

# path_of NAME: a file name as the user meant it.
path_of() {
  (cd "$called_from" && realpath -m "$1")
}

# change WHAT COMMAND...: says it and does it; with --dry-run says it only.
change() {
  printf '  %s\n' "$1"
  changes=$((changes + 1))
  shift
  [ -n "$dry_run" ] || "$@"
}

# become_root ARGUMENT...: starts the script again with sudo, unless it needs no root.
become_root() {
  [ "$(id -u)" != 0 ] && [ -z "$root$dry_run" ] || return 0
  command -v sudo >/dev/null || fail "this needs root, and sudo is not here; run it as root"
  echo "This needs root: asking sudo."
  cd "$called_from"
  exec sudo "$0" "$@"
}

systemd_runs() {
  [ -z "$root" ] && [ -d /run/systemd/system ]
}

has_systemctl() {
  [ -z "$root" ] && command -v systemctl >/dev/null
}

# version_of LINK: the version that `current` or `previous` leads to, nothing where there is none.
version_of() {
  [ ! -L "$1" ] || basename "$(readlink "$1")"
}

disk_size() {
  du -shc "$@" 2>/dev/null | awk 'END { print $1 "B" }'
}

# pip PYTHON ARGUMENT...: pip from the wheel that Python brings along, unpacked into $work, so that no environment needs
# one of its own. It leaves nothing elsewhere.
pip() {
  local python=$1 wheel
  shift
  if [ ! -d "$work/pip" ]; then
    for wheel in /usr/share/python-wheels/pip-*.whl \
      "$("$python" -c 'import ensurepip; print(*ensurepip.__path__)' 2>/dev/null)"/_bundled/pip-*.whl; do
      [ ! -f "$wheel" ] || break
    done
    "$python" -m zipfile -e "$wheel" "$work/pip"
  fi
  PIP_ROOT_USER_ACTION=ignore "$python" "$work/pip/pip" -q --disable-pip-version-check --no-input --no-cache-dir "$@"
}

# make_wheel PYTHON DIRECTORY SOURCE...: our own wheel, made from this tree with the locked tools, which SOURCE brings.
make_wheel() {
  local python=$1 directory=$2
  shift 2
  pip "$python" install --require-hashes --only-binary :all: --target "$work/tools" "$@" \
    -r deploy/build-requirements.txt &&
    PYTHONPATH=$work/tools PYTHONDONTWRITEBYTECODE=1 \
      pip "$python" wheel --no-build-isolation --no-deps --no-index -w "$directory" .
}
