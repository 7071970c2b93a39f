#!/bin/sh
# Sets up a virtual environment from envs/*.lock for `make`: make-venv.sh <folder> <stamp>.
# The stamp says which Python was set up where: a folder that was moved, or whose Python is gone or old, is made anew.
set -eu
venv=$1 stamp=$2
if [ -L "$venv" ]; then
    echo "$venv is a link: what it points to is not this project's. Remedy: remove the link" >&2
    exit 1
fi
echo "Setting up $venv from envs/*.lock"

fit='import sys; sys.exit(sys.version_info < (3, 11))'
tested='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
where='import sys; print(*sys.version_info[:2], sys.prefix)'

# make puts the folder's own programs first on the PATH; an unfit Python there must not hide a fit one.
PATH=$(printf %s "$PATH" | tr ':' '\n' | grep -vxF "$venv/bin" | paste -s -d : -)

usable() {
    "$venv/bin/python" -c "$fit" 2>/dev/null || return 1
    said=$(cat "$venv"/.installed-* 2>/dev/null | tail -n 1)
    [ -z "$said" ] || [ "$said" = "$("$venv/bin/python" -c "$where")" ]
}

fit_python() {
    for wanted in "$tested" "$fit"; do
        for python in python3 python3.13 python3.12 python3.11; do
            if command -v "$python" >/dev/null && "$python" -c "$wanted" 2>/dev/null; then
                [ "$wanted" = "$tested" ] || echo "$("$python" -V) is untested: Python 3.11, 3.12 and 3.13 are." \
                    "Where it has no ready-made package, a C compiler is needed" >&2
                echo "$python"
                return
            fi
        done
    done
    echo "No Python 3.11 or newer on the PATH (python3 is $(python3 -V 2>&1 || true)). Remedy: install one" >&2
    return 1
}

if ! usable; then
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
        echo "$venv: not a virtual environment. Remedy: remove it, or name another folder by VENV=" >&2
        exit 1
    fi
    python=$(fit_python)
    "$python" -m venv --clear "$venv"
fi

install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
rm -f "$venv"/.installed-*
install --requirement envs/requirements.lock
install --no-deps --requirement envs/peers.lock
install --no-deps --no-build-isolation --editable .
"$venv/bin/python" -c "$where" >"$stamp"
