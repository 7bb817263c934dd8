"""Every operation of the API, read from its OpenAPI file, so that a new one is tested by itself."""

from dataclasses import dataclass
from typing import Any

from config.api import api

BODIES: dict[str, dict[str, Any]] = {
    "JobIn": {"type": "quote-calculation", "data": {"quoteId": "q"}},
    "ScheduledJobIn": {"type": "quote-calculation", "data": {"quoteId": "q"}, "delay": 60_000},
    "DataIn": {
        "data": {"fileId": "f", "fileUrl": "u", "fileName": "n", "fileType": "x"},
        "reason": "a typo",
    },
    "ReplayIn": {"type": "file-analysis", "reason": "mended"},
    "ReadIn": {"untilId": 1},
    "PreferencesIn": {"preferences": [{"type": "draft_expiring", "channel": "email", "isOn": False}]},
