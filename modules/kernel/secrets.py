"""Keeps secrets out of what people and other systems read, and encrypted where they must be kept."""

import base64
import hashlib
import re
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

MASK = "••••"
_SECRET_KEY = re.compile(
    r"(password|passwd|secret|token|api[_-]?key|authorization|credential|private[_-]?key|signature|cookie|session)",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?i)\b(bearer\s+|(?:access[_-]?token|token|password|secret|api[_-]?key)\s*[=:]\s*)[\"']?[^\s\"'&]+|(\w+://[^\s:/@]*:)[^\s@]+(?=@)"
)


class UnreadableSecret(Exception):
    """A stored secret was encrypted with a key that is no longer in SECRET_KEY or SECRET_KEY_FALLBACKS."""


def mask(value: Any) -> Any:
    """Return a copy of a JSON value in which the value of every key that names a secret is hidden."""
    if isinstance(value, dict):
        return {key: MASK if is_secret(str(key)) else mask(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask(inner) for inner in value]
    return mask_text(value) if isinstance(value, str) else value


def unmask(shown: Any, original: Any) -> Any:
    """Return `shown`, an edited copy of `mask(original)`, with what was hidden put back wherever it was left as it was.

    A mask that was moved elsewhere stays a mask: see `has_mask`.
    """
    if isinstance(shown, dict) and isinstance(original, dict):
        return {key: _unmask_value(key, inner, original) for key, inner in shown.items()}
    if isinstance(shown, list) and isinstance(original, list):
        pairs = zip(shown, original, strict=False)
        return [*(unmask(inner, former) for inner, former in pairs), *shown[len(original) :]]
    return original if shown == mask(original) else shown


def _unmask_value(key: str, inner: Any, original: dict[str, Any]) -> Any:
    if key not in original:
        return inner
    was_left = inner == mask({key: original[key]})[key]
    return original[key] if was_left else unmask(inner, original[key])


def has_mask(value: Any) -> bool:
    """Return whether a JSON value has a mask in it, so that it cannot be what somebody means."""
    if isinstance(value, dict):
        return any(has_mask(inner) for inner in value.values())
    if isinstance(value, list):
        return any(has_mask(inner) for inner in value)
    return isinstance(value, str) and MASK in value


def mask_text(text: str) -> str:
    """Return `text` with `token=...`, `Bearer ...` and passwords inside addresses hidden."""
    return _SECRET_TEXT.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)


def is_secret(key: str) -> bool:
    """Return whether a key's name says that its value is a secret."""
    return _SECRET_KEY.search(key) is not None


def scrub_event(event: Any, _hint: Any) -> Any:
    """Mask a Sentry event; a job's arguments are dropped whole (sentry-sdk 2.75 sends them unasked)."""
    event.get("contexts", {}).pop("dramatiq", None)
    return mask(event)


def scrub_breadcrumb(crumb: Any, _hint: Any) -> Any:
    """Mask one of the steps that Sentry shows before an error; queries and other jobs' errors are dropped."""
    return None if crumb.get("category") in {"query", "backroom.jobs"} else mask(crumb)


def encrypt(plain: str) -> str:
    """Return `plain` encrypted with the first of the project's keys; safe to store."""
    return _box().encrypt(plain.encode()).decode()


def decrypt(stored: str) -> str:
    """Return what `encrypt` was given; raises UnreadableSecret when no present key fits."""
    try:
        return _box().decrypt(stored.encode()).decode()
    except InvalidToken:
        raise UnreadableSecret("Enter the secret again, or add the former key to SECRET_KEY_FALLBACKS.") from None


def _box() -> MultiFernet:
    keys = [str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys])
