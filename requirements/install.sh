#!/usr/bin/env bash
# Finds a suitable Python, with which requirements/install.py then sets FOLDER up.
# Usage: requirements/install.sh FOLDER LOCK [EXTRA...]; PYTHONS names the interpreters to try, the best first.
# With --find it only prints the interpreter that it has found.
set -euo pipefail
# These variables would make the interpreters look for their standard library in the wrong place
unset PYTHONHOME PYTHONPATH
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

judge='
import sys
if not (3, 11) <= sys.version_info < (3, 14):
    sys.exit("is Python %d.%d" % sys.version_info[:2])
try:
    import ensurepip, ssl, venv
except ImportError as error:
    sys.exit("has no %s (on Debian and Ubuntu: sudo apt install python%d.%d-venv)" % ((error.name,) + sys.version_info[:2]))
'
names=${PYTHONS:-python3.13 python3.12 python3.11 python3}
candidates=$names
for name in $names; do
  # pyenv may have versions that its shims do not run; a name that is a path matches nothing here
  candidates+=" $(echo "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/"${name#python}".*/bin/python3)"
done
reasons="" python=""
for candidate in $candidates; do
  command -v "$candidate" >/dev/null 2>&1 || continue
  if reason=$("$candidate" -c "$judge" 2>&1); then
    python=$candidate
    break
  fi
  reasons+="$candidate ${reason%%$'\n'*}; "
done
if [ -z "$python" ]; then
  echo "setup: phonebot needs Python 3.11, 3.12 or 3.13 with venv, and found none (${reasons:-no Python at all; }tried: $names):" \
    "install one, or name it: make setup PYTHONS=/path/to/python3.12" >&2
  exit 1
fi
if [ "${1:-}" = --find ]; then
  "$python" -c 'import sys; print(sys.executable)'
else
  exec "$python" "$here/install.py" "$@"
fi
