"""What a token looks like: `<mark>_<prefix>_<secret>`; the prefix finds it, the secret proves it."""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Self

# They let a scanner of leaked secrets know one of ours.
MARK = "br"
"""How the token of a tenant's program begins."""
REFRESH_MARK = "brr"
"""How a person's refresh token begins."""
ACCESS_MARK = "bra"
"""How a person's access token begins; the rest of it is signed, not kept."""
PREFIX_BYTES = 6
SECRET_BYTES = 32


class UnknownScope(ValueError):
    """A scope that no part of the API asks for."""


@dataclass(frozen=True)
class TokenText:
    """A token as its holder has it."""

    prefix: str
    secret: bytes = field(repr=False)
    mark: str = MARK

    @classmethod
    def new(cls, *, mark: str = MARK) -> Self:
        """Return a token that nobody has had before."""
        return cls(secrets.token_hex(PREFIX_BYTES), secrets.token_bytes(SECRET_BYTES), mark)

    @classmethod
    def parse(cls, text: str, *, mark: str = MARK) -> Self | None:
        """Return the token that `text` spells, or None when it is none of ours or begins otherwise."""
        found, _, rest = text.partition("_")
        prefix, _, secret = rest.partition("_")
        try:
            decoded = base64.b64decode(f"{secret}=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if found != mark or len(prefix) != 2 * PREFIX_BYTES or len(decoded) != SECRET_BYTES:
            return None
        return cls(prefix, decoded, mark)

    @property
    def digest(self) -> str:
        """Return what is kept of the secret: 256 random bits need no slow hash."""
        return hashlib.sha256(self.secret).hexdigest()

    def proves(self, digest: str) -> bool:
        """Return whether this is the secret of `digest`, in a time that tells nothing."""
        return hmac.compare_digest(self.digest, digest)

    def __str__(self) -> str:
        secret = base64.urlsafe_b64encode(self.secret).decode().rstrip("=")
        return f"{self.mark}_{self.prefix}_{secret}"


def fingerprint(password_hash: str) -> str:
    """Return what a login remembers of the password, to end with it: a hash of the salted, slow hash."""
    return hashlib.sha256(password_hash.encode()).hexdigest()
