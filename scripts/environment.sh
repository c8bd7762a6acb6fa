# Sourced by scripts/run, scripts/test and scripts/soak: the Python environments they work in.
#
# An environment is made under another name and renamed when it is whole, so a half-made one is never used.
# What it was made from is written down beside it; as long as that has not changed, it is used as it is.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

# Compiled modules are kept, whatever the caller's environment says: the tests start Kinote hundreds of times.
unset PYTHONDONTWRITEBYTECODE

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# One script at a time works on the environments of a checkout.
lock_environments() {
    exec 8<"$root/scripts/environment.sh"
    flock --nonblock 8 && return
    say "Waiting for another script of this checkout…"
    flock 8
}
unlock_environments() { exec 8<&-; }

# The digest of everything named: files, and folders with all that is in them.
digest_of() {
    find "$@" \( -name node_modules -o -name __pycache__ -o -path '*/web/static' \) -prune -o -type f -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            # The interpreter itself, also where PATH names an environment's: else each would make the other anew.
            "$candidate" -c 'import os, sys; print(os.path.realpath(sys._base_executable))'
            return
        fi
    done
    fail "Kinote needs Python 3.11, 3.12 or 3.13, and none is on the PATH. On Debian and Ubuntu: apt-get install python3 python3-venv"
}

# Debian and Ubuntu keep a part of Python's venv module in a package of its own.
need_venv() {
    local python=$1 package=python3-venv
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    if [[ $(realpath "$python") != "$(realpath /usr/bin/python3 2>/dev/null)" ]]; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    fi
    command -v apt-get >/dev/null ||
        fail "$python cannot make environments: its module ensurepip is missing. Install it (Debian calls it $package) and try again."
    [[ $(id -u) == 0 ]] || fail "$python cannot make environments yet. Type this, then try again:

    sudo apt-get install $package"
    say "Installing $package…"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package"; } >&2 ||
        fail "apt-get could not install $package; its messages are above."
    "$python" -c 'import ensurepip, venv' || fail "$package is installed, and $python still has no ensurepip."
}

# make_environment FOLDER REQUIREMENTS…: a virtual environment with exactly these packages.
make_environment() {
    local folder=$root/$1 making python wanted
    shift
    python=$(find_python)
    wanted="$python $("$python" --version) $(digest_of "$@")"
    rm -rf "$folder".making.*
    [[ $(cat "$folder/made-from" 2>/dev/null) == "$folder $wanted" ]] && return
    need_venv "$python"
    say "Making the environment ${folder##*/} (a minute or two)…"
    making=$(mktemp -d "$folder.making.XXXXXX")
    # Removed also when a step fails or the user has enough; after the rename there is nothing left to remove.
    # Its name is written into the trap: when a step fails, the variables of this function are gone by then.
    trap "rm -rf $(printf %q "$making")" EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "$python" -m venv "$making"
    local requirements
    for requirements in "$@"; do
        install_hashed "$making" "$requirements"
    done
    # Programs name their interpreter by its full path: the one it will have.
    grep -rlIF --null -- "${making##*/}" "$making/bin" "$making/pyvenv.cfg" |
        xargs -0 --no-run-if-empty sed -i "s|${making##*/}|${folder##*/}|g"
    printf '%s\n' "$folder $wanted" >"$making/made-from"
    rm -rf "$folder"
    mv "$making" "$folder"
    trap - EXIT INT TERM
}

# install_hashed FOLDER REQUIREMENTS: nothing is installed whose digest is not written in the file.
# Without build isolation, what has to be built is built with packages that were checked the same way.
install_hashed() {
    "$1/bin/python" -m pip install --quiet --require-hashes --no-build-isolation --requirement "$2" >&2 ||
        fail "pip could not install $2; its messages are above."
}

# need_node FOLDER [npm]: node and npm, if the machine has none that is new enough, and the viewer has to be
# built or npm is needed anyway.
need_node() {
    local folder=$root/$1
    shift
    if [[ -n $("$folder/bin/python" hatch_build.py missing "$@") ]]; then
        say "Installing node…"
        install_hashed "$folder" requirements/node.txt
    fi
}
