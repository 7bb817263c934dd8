"""`make run`: one machine, embedded servers, a key that is made once and kept in the data folder."""

import secrets

from config import env
from config.settings.base import *  # noqa: F403

DEBUG = env.flag("DEBUG", default=True)
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


def _kept_secret() -> str:
    file = env.data_dir() / "secret-key"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(secrets.token_urlsafe(48), encoding="utf-8")
        file.chmod(0o600)
    return file.read_text(encoding="utf-8")


SECRET_KEY = env.text("SECRET_KEY", "") or _kept_secret()
