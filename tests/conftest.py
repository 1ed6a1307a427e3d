"""Tests see neither the developer's `.env` nor keys in the environment, and no process that they start does.

Nor do they find the calls of other tests in a database, or what others have kept: those that are about databases and
files name them.
"""

import os
import tempfile

from settings import ENV_FILE, Settings

os.environ[ENV_FILE] = ""
for _field in Settings.model_fields:
    os.environ.pop(_field.upper(), None)
os.environ["DATABASE_URL"] = "memory"
_scratch = tempfile.TemporaryDirectory(prefix="phonebot-tests-")
os.environ["DATA_DIR"] = _scratch.name
