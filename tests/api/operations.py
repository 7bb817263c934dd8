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
    "RecurringJobIn": {"type": "quote-calculation", "data": {"quoteId": "q"}, "cron": "0 2 * * *"},
}


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    body: str | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def call(self, http: Any, **ids: str) -> Any:
        """Send it with these ids in the path and a good body."""
        return http.request(self.method, self.path.format(**ids), json=BODIES[self.body] if self.body else None)


def _operation(path: str, method: str, spec: dict[str, Any]) -> Operation:
    content = spec.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return Operation(method.upper(), path, name or None)


EVERY = [
    _operation(path, method, spec)
    for path, methods in api.get_openapi_schema(path_prefix="")["paths"].items()
    for method, spec in methods.items()
]
OF_PEOPLE = [operation for operation in EVERY if operation.path.startswith(("/auth/", "/users/me/"))]
"""How people log in, and what is their own: see test_auth.py and test_exports.py. Others take a token of a tenant."""
OPERATIONS = [operation for operation in EVERY if operation not in OF_PEOPLE]
WITH_ID = [operation for operation in OPERATIONS if "{" in operation.path]
WITHOUT_ID = [operation for operation in OPERATIONS if "{" not in operation.path]
