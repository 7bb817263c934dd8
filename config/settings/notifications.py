"""Mails, and where their provider tells of them. Each can be changed without touching code."""

from typing import Any

from config import env

NOTIFICATIONS: dict[str, Any] = {
    # What mails call this product.
    "PRODUCT_NAME": env.text("PRODUCT_NAME", "Backroom"),
    # Where a mail's "unsubscribe" leads: `<PUBLIC_URL>/unsubscribe/<token>`. Mails that one may switch off need it.
    "PUBLIC_URL": env.text("PUBLIC_URL", "").rstrip("/"),
    # SNS topics whose messages count; a valid signature from anybody else's topic is valid, too. None: all are refused.
    "SNS_TOPIC_ARNS": env.words("SNS_TOPIC_ARNS"),
    # Fetch certificates of *.amazonaws.com from here, for machines that reach AWS through a gateway alone.
    "SNS_ORIGIN": env.text("SNS_ORIGIN", "").rstrip("/"),
    # Live events: how many streams a web process has open at once (each takes a thread of it), how many of these one
    # person has, and after how many seconds one ends and is asked for anew.
    "LIVE_STREAMS": env.number("LIVE_STREAMS", default=3),
    "LIVE_STREAMS_EACH": env.number("LIVE_STREAMS_EACH", default=2),
    "LIVE_SECONDS": env.number("LIVE_SECONDS", default=25, at_least=1),
    # A message of SNS has 256 KiB at most; as JSON inside JSON it may double.
    "MAX_WEBHOOK_BYTES": env.number("SNS_MAX_WEBHOOK_BYTES", default=640 * 1024, at_least=1),
}
