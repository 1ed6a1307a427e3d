"""Tests see neither the developer's `.env` nor keys in the environment, and no process that they start does."""

import os

from settings import ENV_FILE, Settings

os.environ[ENV_FILE] = ""
for _field in Settings.model_fields:
    os.environ.pop(_field.upper(), None)
