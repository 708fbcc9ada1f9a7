"""Django's settings, all derived from `khien.site.environment`."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from khien.site import environment
from khien.site.environment import SettingError

PRODUCTION = environment.get("KHIEN_MODE").text() == "production"
KHIEN_DEMO = environment.get("KHIEN_DEMO").flag()
SECRET_KEY = environment.get("KHIEN_SECRET").text()
if PRODUCTION and (SECRET_KEY == environment.DEVELOPMENT_SECRET or len(SECRET_KEY) < 32):
    raise SettingError(
        "KHIEN_SECRET is the default or shorter than 32 characters: set one of your own, "
        "for example from `openssl rand -hex 32`"
    )
if PRODUCTION and KHIEN_DEMO:
    raise SettingError("KHIEN_DEMO=1 makes known passwords: it cannot be used with KHIEN_MODE=production")
if KHIEN_DEMO and environment.get("KHIEN_SMS_GATEWAY").text() != "simulator":
    raise SettingError(
        "KHIEN_DEMO=1 invents people and must reach nobody: leave KHIEN_SMS_GATEWAY at simulator"
    )
if KHIEN_DEMO and environment.get("KHIEN_SMS_CARRIERS").text():
    raise SettingError("KHIEN_DEMO=1 invents people and must reach nobody: leave KHIEN_SMS_CARRIERS empty")

DEBUG = False
ALLOWED_HOSTS = [host.strip() for host in environment.get("KHIEN_HOSTS").text().split(",") if host.strip()]
KHIEN_URL = environment.get("KHIEN_URL").text().rstrip("/")
KHIEN_PROVINCE = environment.get("KHIEN_PROVINCE").text()
KHIEN_DATA = environment.data_folder()
KHIEN_CLUSTER = environment.get("KHIEN_CLUSTER").text()
KHIEN_TRUST_LIST = environment.get("KHIEN_TRUST_LIST").text()
KHIEN_KEYS = Path(environment.get("KHIEN_KEYS").text() or KHIEN_DATA / "keys")
KHIEN_PROXIES = (
    environment.get("KHIEN_PROXIES").number() if environment.get("KHIEN_PROXIES").text() else int(PRODUCTION)
)
KHIEN_OIDC_ISSUER = environment.get("KHIEN_OIDC_ISSUER").text()
KHIEN_OIDC_CLIENT_ID = environment.get("KHIEN_OIDC_CLIENT_ID").text()
KHIEN_OIDC_CLIENT_SECRET = environment.get("KHIEN_OIDC_CLIENT_SECRET").text()
KHIEN_OIDC_SCOPES = environment.get("KHIEN_OIDC_SCOPES").text()
KHIEN_OIDC_NUMBER_CLAIM = environment.get("KHIEN_OIDC_NUMBER_CLAIM").text()
KHIEN_OIDC_NUMBER_KIND = environment.get("KHIEN_OIDC_NUMBER_KIND").text()
KHIEN_OIDC_NAME = environment.get("KHIEN_OIDC_NAME").text()
if KHIEN_OIDC_ISSUER and not KHIEN_OIDC_CLIENT_ID:
    raise SettingError(
        "KHIEN_OIDC_ISSUER needs KHIEN_OIDC_CLIENT_ID: the name under which the provider knows us"
    )
if KHIEN_OIDC_NUMBER_KIND not in {"cccd", "cmnd", "passport", "insurance"}:
    raise SettingError("KHIEN_OIDC_NUMBER_KIND is none of cccd, cmnd, passport, insurance")
if PRODUCTION and KHIEN_OIDC_ISSUER and not KHIEN_OIDC_ISSUER.startswith("https://"):
    raise SettingError("KHIEN_OIDC_ISSUER must be an https address in production")
KHIEN_SMS_GATEWAY = environment.get("KHIEN_SMS_GATEWAY").text()
KHIEN_SMS_CARRIERS = environment.get("KHIEN_SMS_CARRIERS").text()
KHIEN_SMS_URL = environment.get("KHIEN_SMS_URL").text()
KHIEN_SMS_TOKEN = environment.get("KHIEN_SMS_TOKEN").text()
KHIEN_SMS_SENDER = environment.get("KHIEN_SMS_SENDER").text()
KHIEN_SMS_TIMEOUT_S = environment.get("KHIEN_SMS_TIMEOUT_S").number()
KHIEN_SMS_FIELDS = environment.get("KHIEN_SMS_FIELDS").text()
KHIEN_SMPP_ADDRESS = environment.get("KHIEN_SMPP_ADDRESS").text()
KHIEN_SMPP_SYSTEM_ID = environment.get("KHIEN_SMPP_SYSTEM_ID").text()
KHIEN_SMPP_PASSWORD = environment.get("KHIEN_SMPP_PASSWORD").text()
KHIEN_SMPP_SYSTEM_TYPE = environment.get("KHIEN_SMPP_SYSTEM_TYPE").text()
KHIEN_SMPP_BIND = environment.get("KHIEN_SMPP_BIND").text()
KHIEN_SMPP_BINDS = environment.get("KHIEN_SMPP_BINDS").number()
KHIEN_SMPP_WINDOW = environment.get("KHIEN_SMPP_WINDOW").number()
KHIEN_SMPP_RATE = environment.get("KHIEN_SMPP_RATE").number()
KHIEN_SMPP_TLS = environment.get("KHIEN_SMPP_TLS").flag()
KHIEN_SMPP_CA = environment.get("KHIEN_SMPP_CA").text()
KHIEN_SMPP_SOURCE_TON = environment.get("KHIEN_SMPP_SOURCE_TON").number()
KHIEN_SMPP_SOURCE_NPI = environment.get("KHIEN_SMPP_SOURCE_NPI").number()
KHIEN_SMPP_ALPHABET = environment.get("KHIEN_SMPP_ALPHABET").text()
KHIEN_SMPP_RECEIPT_IDS = environment.get("KHIEN_SMPP_RECEIPT_IDS").text()
KHIEN_SPEECH_COMMAND = environment.get("KHIEN_SPEECH_COMMAND").text()
KHIEN_FEEDS_FOLDER = environment.get("KHIEN_FEEDS_FOLDER").text()
KHIEN_PUSH_SERVICES = environment.get("KHIEN_PUSH_SERVICES").text()
KHIEN_PUSH_CONTACT = environment.get("KHIEN_PUSH_CONTACT").text()

KERNEL = [
    f"khien.kernel.{name}"
    for name in (
        "clock",
        "language",
        "units",
        "staff",
        "rules",
        "events",
        "audit",
        "people",
        "places",
        "presence",
        "standing",
        "residents",
        "forms",
    )
]
GATEWAYS = ["khien.gateways.sms"]
ROOMS = [
    f"khien.rooms.{name}"
    for name in ("checkpoints", "declarations", "testing", "tracing", "quarantine", "broadcasts")
]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django.forms",
    "procrastinate.contrib.django",
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    *KERNEL,
    *GATEWAYS,
    *ROOMS,
    "khien.response",
    "khien.desk",
    "khien.site",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "khien.kernel.doors.middleware.ActorMiddleware",
    "khien.kernel.doors.middleware.ProblemMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "khien.site.urls"
WSGI_APPLICATION = "khien.site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "khien.kernel.doors.context.house",
            ],
        },
    }
]

FORM_RENDERER = "khien.site.forms.ThemeRenderer"


def _database() -> dict[str, object]:
    url = environment.get("DATABASE_URL").text()
    if not url:
        # The supervisor and the command line start the embedded server and set DATABASE_URL.
        url = os.environ.get("KHIEN_EMBEDDED_URL", "postgresql:///khien")
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "khien",
        "USER": unquote(parts.username or query.get("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or query.get("host", "")),
        "PORT": str(parts.port or query.get("port", "")),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# In PostgreSQL, so that limits on sign-ins count over all web processes and survive a restart.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "khien_cache"}}

AUTH_USER_MODEL = "staff.Account"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/desk/"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_ADAPTER = "khien.site.accounts.StaffAdapter"
ACCOUNT_FORMS = {"login": "khien.site.accounts.StaffLoginForm"}
ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_ADAPTER = "khien.site.accounts.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Khiên"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "account/locked.html"
AXES_ENABLE_ADMIN = False

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PRODUCTION else None
CSRF_TRUSTED_ORIGINS = [KHIEN_URL]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, "'wasm-unsafe-eval'"],
        "worker-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "media-src": [SELF, "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

LANGUAGE_CODE = "vi"
LANGUAGES = [("vi", _("Tiếng Việt")), ("en", _("Tiếng Anh"))]
# Texts are written in Vietnamese; each app's `locale/en` holds the English.
LOCALE_PATHS = [Path(__file__).parent / "locale"]
LANGUAGE_COOKIE_NAME = "khien_language"
USE_TZ = True
TIME_ZONE = "Asia/Ho_Chi_Minh"
FORMAT_MODULE_PATH = ["khien.site.formats"]

# Each app's tasks are in its `jobs.py`; without this a worker knows none of them.
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"

STATIC_URL = "/static/"
STATIC_ROOT = KHIEN_DATA / "static"
STATICFILES_DIRS = [Path(__file__).parent / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"khien": {"level": "INFO"}, "axes": {"level": "ERROR"}},
}
