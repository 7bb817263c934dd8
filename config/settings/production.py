"""Production: nothing has a default that would be unsafe; a missing value stops the start with its name."""

import sentry_sdk

from config import env
from config.settings.base import *  # noqa: F403
from modules.kernel.secrets import scrub_event

SECRET_KEY = env.text("SECRET_KEY")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", default=env.text("ALLOWED_HOSTS"))
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

if _dsn := env.text("SENTRY_DSN", ""):
    # Local variables and job arguments carry personal data; the scrubber drops what is left.
    sentry_sdk.init(
        dsn=_dsn,
        environment=env.text("SENTRY_ENVIRONMENT", "production"),
        send_default_pii=False,
        include_local_variables=False,
        before_send=scrub_event,
    )
