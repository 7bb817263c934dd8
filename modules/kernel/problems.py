"""How the API says that something is wrong: `application/problem+json` (RFC 9457), the field and the way out."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """Raised anywhere below the API to end a request with an error that its sender can act on.

    detail: a sentence for people. errors: what is wrong, by the field's path as the sender wrote it.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = HTTPStatus(status)
        self.detail = detail
        self.errors = dict(errors or {})
        self.headers = dict(headers or {})
        super().__init__(detail)

    def as_response(self) -> HttpResponse:
        """Return the answer that tells it."""
        body: dict[str, object] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": field, "message": message} for field, message in self.errors.items()]
        return HttpResponse(
            json.dumps(body, ensure_ascii=False),
            status=self.status.value,
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


SCHEMA = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and the way out, for people."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "examples": ["options.priority"]},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
"""The problem as OpenAPI describes it."""
