"""What every environment shares. Each value that differs between machines is read in `config.env`."""

from django.utils.translation import gettext_lazy as _
from environ import Env

from config import env
from config.settings.admin import LOGIN_REDIRECT_URL, UNFOLD  # noqa: F401 -- a setting; an __all__ would hide all others from `import *`
from config.settings.api import API as _API
from config.settings.drafts import DRAFTS as _DRAFTS
from config.settings.files import FILES
from config.settings.jobs import JOBS, TASKS  # noqa: F401
from config.settings.notifications import NOTIFICATIONS as _NOTIFICATIONS
from config.settings.reports import REPORTS as _REPORTS
from config.settings.shoptet import SHOPTET as _SHOPTET

BASE_DIR = env.ROOT
SECRET_KEY = env.text("SECRET_KEY", "")
DEBUG = False
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

# A demonstration, as `make run` starts it: the console says so in its header, and shows newcomers around.
DEMO = env.flag("DEMO", default=False)
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_tasks",  # `@task`, django.tasks before Django 6; the backend is the ledger
    "ninja",  # the API's page of documents from the wheel, nothing from outside
    "modules.jobs",
    "modules.accounts",
    "modules.notifications",
    "modules.catalog",
    "modules.orders",
    "modules.customers",
    "modules.inventory",
    "modules.shoptet",
    "modules.drafts",
    "modules.reports",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "modules.kernel.csp.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "modules.accounts.middleware.TenantMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [env.ROOT / "config" / "templates"],  # before the theme's own
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "modules.accounts.admin.switch.tenant_choice",
            ],
        },
    },
]

DATABASES = {
    "default": {
        **Env.db_url_config(env.text("DATABASE_URL", env.embedded_database_url())),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    },
}
DATABASES["default"]["OPTIONS"] = {"connect_timeout": 5, **DATABASES["default"].get("OPTIONS", {})}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.text("REDIS_URL", env.embedded_redis_url())
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "backroom",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},  # whoever asks it can do without
    },
}
BROKER_URL = env.text("BROKER_URL", REDIS_URL)  # amqp:// for RabbitMQ; config.broker has all transports

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"

# Alerts go to ADMINS; EMAIL_URL like smtp+tls://user:password@host:587, else mails are printed to the log.
ADMINS = [(address, address) for address in env.words("ADMINS")]
vars().update(Env.email_url_config(env.text("EMAIL_URL", "consolemail://")))
EMAIL_TIMEOUT = 10
# A provider's API instead: EMAIL_BACKEND=anymail.backends.sendgrid.EmailBackend, ANYMAIL={"SENDGRID_API_KEY": "..."}.
EMAIL_BACKEND = env.text("EMAIL_BACKEND", vars()["EMAIL_BACKEND"])
ANYMAIL = {"REQUESTS_TIMEOUT": EMAIL_TIMEOUT, **env.mapping("ANYMAIL")}
EMAIL_SUBJECT_PREFIX = "[Backroom] "
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "backroom@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("cs", _("Czech")), ("pl", _("Polish"))]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
TIME_ZONE = env.text("TIME_ZONE", "Europe/Prague")
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / ".static"
MEDIA_ROOT = env.data_dir() / "files"  # downloads on their way in; nothing is served from here
STORAGES = {
    "default": FILES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# An upload: the biggest document there may be, and room for what travels around it.
API = {**_API, "MAX_UPLOAD_BYTES": _DRAFTS["MAX_DOCUMENT_BYTES"] + 64 * 1024}
NOTIFICATIONS = _NOTIFICATIONS
SHOPTET = _SHOPTET
DRAFTS = _DRAFTS
REPORTS = _REPORTS

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)-7s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "urllib3": {"level": "WARNING"},
        "django.db.backends": {"level": "WARNING"},
        # The ledger's own line tells of a failed task, masked; this one would show whatever the error says.
        "django_tasks": {"level": "CRITICAL"},
        "pika": {"level": "CRITICAL"},  # what fails is raised, too, and told in one line instead of ten
    },
}
