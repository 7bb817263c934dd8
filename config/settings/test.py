"""The tests' settings: quick passwords and short waits; the servers are real."""

from typing import Any

from config import env
from config.settings.base import *  # noqa: F403
from config.settings.jobs import JOBS as _JOBS

SECRET_KEY = "tests only, never a secret"  # noqa: S105 -- nothing is signed for anybody
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
_LEASE_SECONDS = env.number("JOBS_LEASE_SECONDS", default=3, at_least=2)
JOBS: dict[str, Any] = {**_JOBS, "LEASE_SECONDS": _LEASE_SECONDS, "BELL_SECONDS": 1}
DATABASES["default"]["TEST"] = {"TEMPLATE": env.text("TEST_DATABASE_TEMPLATE", "") or None}  # noqa: F405
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
