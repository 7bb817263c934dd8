"""Production: nothing has a default that would be unsafe; a missing value stops the start with its name."""

from config import env
from config.sentry import start_reports
from config.settings.base import *  # noqa: F403
from config.settings.files import FILES

SECRET_KEY = env.text("SECRET_KEY")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", default=env.text("ALLOWED_HOSTS"))
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]  # probes and Prometheus come from inside, past the proxy
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
STORAGES = {
    "default": FILES,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

start_reports(env.text("SENTRY_DSN", ""), environment=env.text("SENTRY_ENVIRONMENT", "production"))
