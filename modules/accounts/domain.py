"""What an API token looks like: `br_<prefix>_<secret>`; the prefix finds it, the secret proves it."""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Self

MARK = "br"  # lets a scanner of leaked secrets know one of ours
PREFIX_BYTES = 6
SECRET_BYTES = 32


class UnknownScope(ValueError):
    """A scope that no part of the API asks for."""


@dataclass(frozen=True)
class TokenText:
    """A token as its holder has it."""

    prefix: str
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Return a token that nobody has had before."""
        return cls(secrets.token_hex(PREFIX_BYTES), secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the token that `text` spells, or None when it is none of ours."""
        mark, _, rest = text.partition("_")
        prefix, _, secret = rest.partition("_")
        try:
            decoded = base64.b64decode(f"{secret}=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if mark != MARK or len(prefix) != 2 * PREFIX_BYTES or len(decoded) != SECRET_BYTES:
            return None
        return cls(prefix, decoded)

    @property
    def digest(self) -> str:
        """Return what is kept of the secret: 256 random bits need no slow hash."""
        return hashlib.sha256(self.secret).hexdigest()

    def proves(self, digest: str) -> bool:
        """Return whether this is the secret of `digest`, in a time that tells nothing."""
        return hmac.compare_digest(self.digest, digest)

    def __str__(self) -> str:
        secret = base64.urlsafe_b64encode(self.secret).decode().rstrip("=")
        return f"{MARK}_{self.prefix}_{secret}"
