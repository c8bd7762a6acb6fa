# Sourced by the scripts: makes the Python environment they run in.
#
# An environment is made under a temporary name and renamed when it is complete, so that nothing half-made
# stays; a fingerprint of what it was made from tells whether it is still the right one. Programs in it are
# called as modules of its Python, because scripts in a renamed environment name the old place.

say() { printf '\033[1m%s\033[0m\n' "$*"; }
fail() { printf 'kinote: %s\n' "$*" >&2; exit 1; }

find_python() {
  local name
  for name in python3.11 python3.12 python3.13 python3.14 python3; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  fail "Python 3.11 or newer is needed and was not found. On Debian or Ubuntu: apt-get install python3 python3-venv"
}

require_venv() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing python3-venv"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv
    return
  fi
  fail "Python's venv module is missing. Type: sudo apt-get install python3-venv"
}

# environment FOLDER REQUIREMENTS...: make FOLDER, or keep it if it was made from the same files.
environment() {
  local folder=$1 python wanted making
  shift
  python=$(find_python)
  require_venv "$python"
  wanted=$("$python" --version; cat "$@" | sha256sum)
  if [ -f "$folder/made-from" ] && [ "$(cat "$folder/made-from")" = "$wanted" ]; then
    return
  fi
  say "Making the Python environment $folder"
  making="$folder.making"
  rm -rf "$making"
  "$python" -m venv "$making"
  local file
  for file in "$@"; do
    "$making/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$file"
  done
  printf '%s' "$wanted" >"$making/made-from"
  rm -rf "$folder"
  mv "$making" "$folder"
}

# install_project FOLDER: install Kinote into the environment, if its sources have changed.
install_project() {
  local folder=$1 sources
  sources=$(find src viewer hatch_build.py pyproject.toml -type f \
    -not -path '*/node_modules/*' -not -path '*/static/*' -not -path '*/__pycache__/*' -not -path 'viewer/dist/*' \
    -exec sha256sum {} + | sort | sha256sum)
  if [ -f "$folder/project-from" ] && [ "$(cat "$folder/project-from")" = "$sources" ]; then
    return
  fi
  say "Installing Kinote, with its viewer"
  if ! command -v npm >/dev/null; then
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/node.txt
  fi
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --force-reinstall .
  printf '%s' "$sources" >"$folder/project-from"
}
