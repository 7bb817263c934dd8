"""The Shoptet API of one shop, read only but for webhooks: https://api.docs.shoptet.com.

Every call has a timeout, a size limit and a typed error. The token is in no error and no log line.
"""

from modules.shoptet.clients._calls import AccessToken, AccessTokens, Answer
from modules.shoptet.clients._errors import (
    CodeRefused,
    InvalidToken,
    LinkExpired,
    LooksUsedUp,
    NoRights,
    PermanentShoptetError,
    RateLimited,
    ShoptetError,
    TemporaryShoptetError,
    TokenEnded,
    TokenUncertain,
    WebhookMissing,
    WebhookTaken,
)
from modules.shoptet.clients._results import stream_result
from modules.shoptet.clients._shop import ShoptetClient
from modules.shoptet.clients._tokens import Grant, exchange_code, fetch_access_token
from modules.shoptet.clients.limits import CONNECTIONS

__all__ = [
    "CONNECTIONS",
    "AccessToken",
    "AccessTokens",
    "Answer",
    "CodeRefused",
    "Grant",
    "InvalidToken",
    "LinkExpired",
    "LooksUsedUp",
    "NoRights",
    "PermanentShoptetError",
    "RateLimited",
    "ShoptetClient",
    "ShoptetError",
    "TemporaryShoptetError",
    "TokenEnded",
    "TokenUncertain",
    "WebhookMissing",
    "WebhookTaken",
    "exchange_code",
    "fetch_access_token",
    "stream_result",
]
