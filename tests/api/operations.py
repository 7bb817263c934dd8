"""Every operation of the API, read from its OpenAPI file, so that a new one is tested by itself."""

from dataclasses import dataclass
from typing import Any

from config.api import api


@dataclass(frozen=True)
class Of:
    """A place in a body for one of the ids in the path, or what stands for none."""

    name: str
    none: Any = 1


NOTHING = "00000000-0000-4000-8000-000000000000"
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
    "ProjectIn": {"name": "Family"},
    "PropertyIn": {"name": "Cottage", "address": "Lhota 1"},
    "UnitIn": {"name": "Cellar"},
    "ContactIn": {"name": "A chimney sweep", "email": "sweep@example.com"},
    "RecordIn": {"title": "A revision", "authorId": Of("user_id")},
    "RecordEdit": {"title": "Another", "baseVersion": 1},
    "PublishIn": {"baseVersion": 1},
    "ProjectEdit": {"name": "Household"},
    "PropertyEdit": {"address": "Lhota 2"},
    "UnitEdit": {"name": "Wine cellar"},
    "ContactEdit": {"phone": "777"},
    "CommentEdit": {"text": "Indeed!"},
    "DocumentEdit": {"name": "b.txt"},
    "CommentIn": {"text": "Indeed.", "authorId": Of("user_id")},
    "InvitationIn": {
        "targetType": "property",
        "targetId": Of("property_id", NOTHING),
        "email": "petr@example.com",
        "invitedById": Of("user_id"),
    },
    "AcceptIn": {"token": "none"},
    "SyncIn": {
        "userId": Of("user_id"),
        "changes": [
            {"clientId": NOTHING, "operation": "publish_record", "payload": {"recordId": NOTHING, "baseVersion": 1}}
        ],
    },
    "RecurringJobIn": {"type": "quote-calculation", "data": {"quoteId": "q"}, "cron": "0 2 * * *"},
}


PARAMS = {"withContents": "true"}
"""What a good request says beside its body."""


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    body: str | None
    is_upload: bool = False
    params: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def call(self, http: Any, **ids: str) -> Any:
        """Send it with these ids in the path and a good body."""
        if self.is_upload:
            about = {"uploadedById": str(ids.get("user_id", 1))}
            return http.request(self.method, self.path.format(**ids), data=about, files={"file": ("a.txt", b"A")})
        body = _filled(BODIES[self.body], ids) if self.body else None
        return http.request(self.method, self.path.format(**ids), json=body, params=dict(self.params))


def _filled(body: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    return {name: ids.get(value.name, value.none) if isinstance(value, Of) else value for name, value in body.items()}


def _operation(path: str, method: str, spec: dict[str, Any]) -> Operation:
    content = spec.get("requestBody", {}).get("content", {})
    name = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    known = {parameter["name"] for parameter in spec.get("parameters", [])}
    params = tuple((name, value) for name, value in PARAMS.items() if name in known)
    return Operation(method.upper(), path, name or None, "multipart/form-data" in content, params)


EVERY = [
    _operation(path, method, spec)
    for path, methods in api.get_openapi_schema(path_prefix="")["paths"].items()
    for method, spec in methods.items()
]
OF_PEOPLE = [operation for operation in EVERY if operation.path.startswith(("/auth/", "/invitations/", "/users/me/"))]
"""How people log in and join, and what is their own; see the tests of these. All others take a token of a tenant."""
OPERATIONS = [operation for operation in EVERY if operation not in OF_PEOPLE]
WITH_ID = [operation for operation in OPERATIONS if "{" in operation.path]
WITHOUT_ID = [operation for operation in OPERATIONS if "{" not in operation.path]
