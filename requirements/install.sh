#!/usr/bin/env bash
# Makes a virtual environment from a lock, and says how far it is.
# In short: python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements/dev.lock
# Use: requirements/install.sh FOLDER LOCK; PYTHONS names the interpreters to try, the best first.
set -euo pipefail
folder=$1 lock=$2

python=""
for candidate in ${PYTHONS:-python3.13 python3.12 python3.11 python3}; do
  if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  found=$(python3 -c 'import platform; print("Python " + platform.python_version())' 2>/dev/null || echo "no Python")
  echo "setup: phonebot needs Python 3.11, 3.12 or 3.13, and found $found: install one, or name it: make setup PYTHONS=/path/to/python3.12" >&2
  exit 1
fi
version=$("$python" -c 'import platform; print(platform.python_version())')
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  echo "setup: Python $version cannot make virtual environments: on Debian and Ubuntu, 'sudo apt install python3-venv' mends it" >&2
  exit 1
fi

count=$(grep -c '==' "$lock")
echo "[1/3] $folder with Python $version"
"$python" -m venv --clear "$folder"
echo "[2/3] fetching up to $count packages (about 400 MB the first time, then from pip's cache)"
fetched=0
"$folder/bin/python" -m pip install --disable-pip-version-check --no-compile --require-hashes --progress-bar off -r "$lock" |
  while read -r what name _; do
    case $what in
      Collecting)
        fetched=$((fetched + 1))
        if [ $((fetched % 15)) = 0 ]; then echo "      ${SECONDS}s: $fetched of $count, now ${name%%=*}"; fi
        ;;
      Installing) echo "[3/3] installing (${SECONDS}s so far)" ;;
    esac
  done
echo "ready after ${SECONDS}s: try 'make call'"
