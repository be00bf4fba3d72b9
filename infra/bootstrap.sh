#!/usr/bin/env bash
# Installs what this clone needs: missing Debian packages, uv, and the Python environment .venv exactly as locked.
# Run by `make install`; a second run finds the stamp and ends at once. Servers are installed by infra/local when they
# are first started. Nothing is installed outside Debian's packages, the user's cache and .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly cache="${XDG_CACHE_HOME:-$HOME/.cache}/corporate-actions"
readonly stamp=.venv/.installed
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

said() { # said NAME TEXT SECONDS: one line per step, aligned like those of infra/local
    printf '  ok  %-14s %-60s %6.1f s\n' "$1" "$2" "$3"
}

clock() { date +%s.%N; }

since() { awk -v a="$1" -v b="$(clock)" 'BEGIN { print b - a }'; }

wanted() { # what the environment was made from, and for: another folder or another lock needs another environment
    { pwd && cat requirements/dev.lock requirements/uv.lock pyproject.toml infra/bootstrap.sh; } | sha256sum
}

find_python() { # the distribution's first: it is built with profile-guided optimisation, and one built by hand often takes half as long again
    local name
    for name in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        "$name" -c 'import sys; print(sys.executable); sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && return
    done
    return 1
}

has_mysqld() { # 8.4 or newer, not MariaDB
    PATH="$PATH:/usr/sbin:/usr/local/sbin" mysqld --version 2>/dev/null | grep -v MariaDB | grep -Eq 'Ver (8\.[4-9]|9\.|[1-9][0-9]\.)'
}

missing_packages() { # by what is wanted of them, so that tools from elsewhere count too
    local python
    if python="$(find_python)"; then
        "$python" -c 'import ensurepip' 2>/dev/null || echo python3-venv
        "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || echo python3-dev
    else
        echo python3 python3-venv python3-dev
    fi
    command -v cc >/dev/null && [ -e /usr/include/stdlib.h ] || echo gcc libc6-dev
    command -v pkg-config >/dev/null || echo pkg-config
    pkg-config --exists mysqlclient 2>/dev/null || pkg-config --exists libmariadb 2>/dev/null || echo default-libmysqlclient-dev
    command -v mvn >/dev/null || echo maven
    command -v node >/dev/null || echo nodejs # runs the second verifier of the audit log, 18 or newer
    has_mysqld || command -v mmdebstrap >/dev/null || echo mmdebstrap
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
    local missing began
    missing="$(missing_packages | xargs)"
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || fail "this machine lacks: $missing (Debian's names); install them and run the command again"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || fail "packages are missing and there is no sudo; ask an administrator to run: apt-get install $missing"
    began="$(clock)"
    printf '  …   %-14s %s\n' packages "installing $missing"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    local try
    for try in 1 2 3; do
        as_root "${apt[@]}" update && break
        [ "$try" != 3 ] || fail "apt-get update failed three times; check the network and run the command again"
        sleep 5
    done
    # shellcheck disable=SC2086  # a list of names
    as_root "${apt[@]}" install -y --no-install-recommends $missing >/dev/null ||
        fail "apt-get could not install: $missing; see its message above"
    said packages "installed $missing" "$(since "$began")"
}

install_uv() { # into the cache, whole or not at all; sets the variable uv
    local python="$1" version began staging
    version="$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements/uv.lock)"
    uv="$cache/uv-$version/bin/uv"
    [ -x "$uv" ] && return 0
    began="$(clock)"
    exec 8>"$cache/.lock-uv"
    flock 8 # other clones use this cache too
    [ -x "$uv" ] && return 0
    rm -rf "$cache"/.new-uv-*
    staging="$cache/.new-uv-$$"
    # shellcheck disable=SC2064  # expanded now: the folder of this run
    trap "rm -rf '$staging'" EXIT
    "$python" -m venv "$staging"
    "$staging/bin/python" -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/uv.lock ||
        fail "uv could not be fetched from PyPI; check the network and run the command again"
    mv -T "$staging" "$cache/uv-$version"
    said uv "$version installed" "$(since "$began")"
}

install_environment() {
    local python="$1" began usable=()
    began="$(clock)"
    rm -f "$stamp"
    [ "$(.venv/bin/python -c 'import sys; print(sys.base_prefix, sys.version)' 2>/dev/null)" = "$("$python" -c 'import sys; print(sys.base_prefix, sys.version)')" ] &&
        usable=(--allow-existing) || usable=(--clear)
    "$uv" venv -q --python "$python" "${usable[@]}" .venv
    # The cache first: a second clone needs no network.
    "$uv" pip sync -q --offline --require-hashes requirements/dev.lock 2>/dev/null ||
        "$uv" pip sync -q --require-hashes requirements/dev.lock ||
        fail "the Python packages could not be installed; see the message above"
    "$uv" pip install -q --offline --no-build-isolation --no-deps -e .
    said python "$(.venv/bin/python --version | cut -d' ' -f2), packages as locked" "$(since "$began")"
}

main() {
    [ "$(cat "$stamp" 2>/dev/null)" = "$(wanted)" ] && .venv/bin/python -c '' 2>/dev/null && exit 0
    local python uv
    mkdir -p "$cache"
    exec 9<pyproject.toml
    flock 9 # two installs of this clone at once: the second finds the work done
    [ "$(cat "$stamp" 2>/dev/null)" = "$(wanted)" ] && .venv/bin/python -c '' 2>/dev/null && exit 0
    install_packages
    python="$(find_python)" || fail "Python 3.11 to 3.14 is missing; install it, put it on PATH and run the command again"
    install_uv "$python"
    install_environment "$python"
    wanted >"$stamp"
}

main
