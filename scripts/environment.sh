# Sourced by run.sh and test.sh: finds or makes what they need, and says what is missing in one line.
# shellcheck shell=bash
set -euo pipefail
shopt -s inherit_errexit

JAVA_LEAST=17

say() { echo "$*" >&2; }

die() {
    say "error: $*"
    exit 2
}

# The folder above scripts/, from wherever it is called and through however many links.
project_root() {
    cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd
}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "needs Python 3.11, 3.12 or 3.13 with venv, found $(python3 --version 2>&1 || true)" \
        "(on Debian: apt-get install python3 python3-venv)"
}

# Prints the folder of the environment. Its name is made of what it holds: a new lock is a new environment.
find_environment() {
    local root=$1 python folder hash
    python=$(find_python)
    hash=$({ cat -- "$root/requirements.lock" && "$python" -c 'import sys; print(sys.version, sys.prefix)'; } | sha256sum | cut -c1-16)
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/fireball/env-$hash"
    [ -e "$folder/.complete" ] || make_environment "$root" "$python" "$folder"
    echo "$folder"
}

# One at a time; one that was killed left no .complete behind, and the next starts afresh.
make_environment() {
    local root=$1 python=$2 folder=$3
    mkdir -p -- "${folder%/*}" || die "cannot write to ${folder%/*}; set XDG_CACHE_HOME to a folder that can be written"
    (
        flock 9
        [ ! -e "$folder/.complete" ] || exit 0
        say "installing the Python packages of requirements.lock into $folder (once, one or two minutes) ..."
        rm -rf -- "$folder"
        install_packages "$root" "$python" "$folder" >"$folder.log" 2>&1 ||
            die "the installation failed: $(grep -v '^ *$' "$folder.log" | tail -n 1) (all of it: $folder.log)"
        touch -- "$folder/.complete"
    ) 9>"$folder.lock"
}

install_packages() {
    local root=$1 python=$2 folder=$3
    "$python" -m venv "$folder" || return
    awk '/^[^ ]/ { mine = /^uv==/ } mine' "$root/requirements.lock" >"$folder/uv.lock" || return
    "$folder/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$folder/uv.lock" || return
    "$folder/bin/uv" pip sync --compile-bytecode --python "$folder/bin/python" --require-hashes "$root/requirements.lock" || return
}

# Prints the major version of the Java in this folder, or nothing.
java_version() {
    local text
    [ -n "$1" ] && [ -x "$1/bin/java" ] || return 0
    text=$(cat -- "$1/release" 2>/dev/null || true)
    [[ $text =~ JAVA_VERSION=\"([0-9]+) ]] || [[ $("$1/bin/java" -version 2>&1) =~ version\ \"([0-9]+) ]] || return 0
    echo "${BASH_REMATCH[1]}"
}

# Prints the folder of a Java that is new enough: JAVA_HOME's, the one on the path, the oldest installed.
find_java() {
    local home version on_path=""
    on_path=$(readlink -f -- "$(command -v java || true)" || true)
    while read -r home; do
        version=$(java_version "$home")
        if [ "${version:-0}" -ge "$JAVA_LEAST" ]; then
            echo "$home"
            return
        fi
    done < <(printf '%s\n' "${JAVA_HOME:-}" "${on_path%/bin/java}" && printf '%s\n' "${FIREBALL_JVMS:-/usr/lib/jvm}"/* | sort -V)
    return 1
}

# Debian 12 has 17, Debian 13 has 21.
install_java() {
    local package
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
        say "no Java >= $JAVA_LEAST here: installing $package ..."
        apt-get update >&2 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package" >&2 && return
    done
    return 1
}

use_java() {
    JAVA_HOME=$(find_java) || { install_java && JAVA_HOME=$(find_java); } ||
        die "needs Java >= $JAVA_LEAST: apt-get install openjdk-17-jre-headless (as root), or set JAVA_HOME to one"
    export JAVA_HOME
}

# Another Spark's or Python's settings would reach our workers.
use_environment() {
    local root=$1 environment=$2
    unset PYTHONHOME "${!PYSPARK_@}"
    export PYTHONPATH="$root" PYTHONNOUSERSITE=1
    export PATH="$environment/bin:$PATH"
}
