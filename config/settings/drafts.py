"""The diary of properties. Each can be changed without touching code."""

from typing import Any

from config import env

DRAFTS: dict[str, Any] = {
    # Where the diary's own program opens a record or an invitation: `<APP_URL>/records/<id>`. Without it no mail of
    # the diary is sent, because there would be nothing to click on; notices inside the product are.
    "APP_URL": env.text("DIARY_URL", "").rstrip("/"),
    # One document; a phone's photo has 5 MB.
    "MAX_DOCUMENT_BYTES": env.number("DIARY_MAX_DOCUMENT_BYTES", default=50 * 1024**2, at_least=1),
}
