"""Who may call, how many at once and how often: tokens, connections, the leaky bucket."""

import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from .answers import ApiError
from .clock import ShopClock, write_http_date
from .options import Options

MAX_ACCESS_TOKENS = 5  # alive at a time
_COST = 1  # drops per call; the real cost follows the size of the answer


class TokenState(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    WITHOUT_RIGHTS = "without_rights"


class AddonState(StrEnum):
    INSTALLED = "installed"
    SUSPENDED = "suspended"
    UNINSTALLED = "uninstalled"


class BucketFull(ApiError):
    """The token called too often; `headers` say how full its bucket is and when to come back."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(429, "too-many-requests", "Too many requests. The bucket is full.")
        self.headers = headers


@dataclass(slots=True)
class _Bucket:
    level: float
    seen_at: float


class Limits:
    """Counts one shop's calls; used by the server's own thread only, but for `tokens`."""

    def __init__(self, options: Options, clock: ShopClock) -> None:
        self._options, self._clock = options, clock
        self._open: Counter[str] = Counter()  # outlives a reset: calls under way still end
        self.reset()

    def reset(self) -> None:
        self.tokens = {self._options.token: TokenState.VALID}
        self._buckets: dict[str, _Bucket] = {}
        self._access_tokens: dict[str, float] = {}  # and when each ends
        self._codes: dict[str, bool] = {}  # and whether each was exchanged
        self.addon = AddonState.INSTALLED

    def give_code(self) -> str:
        """Return the code of a new installation of the add-on, good for one exchange."""
        code = f"code-{len(self._codes) + 1}".ljust(255, "x")
        self._codes[code] = False
        return code

    def exchange(self, asked: dict[str, str]) -> str:
        """Return the permanent token for a code. Raises ApiError 400 for one that was used, or never given."""
        client = (self._options.client_id, self._options.client_secret)
        if (asked.get("client_id"), asked.get("client_secret", "")) != client:
            raise ApiError(401, "invalid_client", "Client authentication failed")
        if self._codes.get(asked.get("code", ""), True) or not asked.get("redirect_uri"):
            raise ApiError(400, "invalid_grant", "Authorization code doesn't exist or is invalid for the client")
        self._codes[asked["code"]] = True
        self.addon = AddonState.INSTALLED
        return self._options.oauth_token

    def issue(self, oauth_token: str) -> str:
        """Return a new access token. Raises ApiError 401, and 403 while five are alive."""
        if oauth_token != self._options.oauth_token or self.addon is AddonState.UNINSTALLED:
            raise ApiError(401, "invalid_token", "The access token provided is invalid")
        now = self._clock.elapsed()
        if sum(ends > now for ends in self._access_tokens.values()) >= MAX_ACCESS_TOKENS:
            raise ApiError(403, "maximum_tokens_reached", "Maximum number of valid tokens reached")
        token = f"222651-a-{len(self._access_tokens) + 1}-simulated-access-token-of-an-add-on"
        self._access_tokens[token] = now + self._options.access_token_seconds
        return token

    def end_access_tokens(self) -> None:
        """Let every access token be one that has ended."""
        self._access_tokens = dict.fromkeys(self._access_tokens, 0.0)

    def check_access_token(self, token: str) -> None:
        """Raise ApiError 401 unless an add-on may call with the token."""
        ends = self._access_tokens.get(token)
        if ends is None or self.addon is AddonState.UNINSTALLED:
            raise ApiError(401, "invalid-token", "Invalid access token.")
        if self.addon is AddonState.SUSPENDED:
            raise ApiError(403, "invalid-token-no-rights", "The add-on is suspended.")
        if ends <= self._clock.elapsed():
            raise ApiError(401, "expired-token", "Token is expired. Please ask for new one.")

    def connect(self, token: str) -> int:
        """Return how many calls of this token are now under way, this one included."""
        self._open[token] += 1
        return self._open[token]

    def disconnect(self, token: str) -> None:
        self._open[token] -= 1

    def has_room(self, connections: int) -> bool:
        return self._options.connections is None or connections <= self._options.connections

    def check_token(self, token: str) -> None:
        """Raise ApiError 401 or 403 unless the token may read."""
        if not token:
            raise ApiError(
                401,
                "missing-access-token",
                "Missing access token. Please add `Shoptet-Private-API-Token` header to your request.",
            )
        state = self.tokens.get(token)
        if state is None:
            raise ApiError(401, "invalid-token", "Invalid access token.")
        if state is TokenState.EXPIRED:
            raise ApiError(401, "expired-token", "Token is expired. Please ask for new one.")
        if state is TokenState.WITHOUT_RIGHTS:
            shown = f"{token[:3]}..{token[-3:]}"
            message = f'Your access token "{shown}" has no defined rights for this resource.'
            raise ApiError(403, "invalid-token-no-rights", message, instance="access-token")

    def spend(self, token: str) -> dict[str, str]:
        """Pour one call into the token's bucket; return the header of its filling. Raises BucketFull."""
        drops = self._options.bucket_drops
        if drops is None:
            return {}
        bucket = self._leaked(token)
        overflow = bucket.level + _COST - drops
        if overflow > 0:
            retry_at = self._clock.present() + timedelta(seconds=overflow / self._options.leak_per_second)
            raise BucketFull({**_filling(drops, drops=drops), "Retry-After": write_http_date(retry_at)})
        bucket.level += _COST
        return _filling(bucket.level, drops=drops)

    def _leaked(self, token: str) -> _Bucket:
        elapsed = self._clock.elapsed()
        bucket = self._buckets.setdefault(token, _Bucket(0, elapsed))
        bucket.level = max(0.0, bucket.level - (elapsed - bucket.seen_at) * self._options.leak_per_second)
        bucket.seen_at = elapsed
        return bucket


def _filling(level: float, *, drops: int) -> dict[str, str]:
    return {"X-RateLimit-Bucket-Filling": f"{math.ceil(level)}/{drops}"}
