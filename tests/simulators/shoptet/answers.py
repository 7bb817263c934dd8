"""The envelope every JSON answer of the API comes in: data, errors, metadata.requestId."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html"

# Not ASCII only: U+2028 and emoji travel raw, as the most surprising shop would send them.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(slots=True)
class Reply:
    """What goes out over HTTP."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """The API refuses a call; `code` is the vendor's errorCode."""

    def __init__(self, status: int, code: str, message: str, *, instance: str = "unknown") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.instance = status, code, message, instance


def envelope(data: Json, *, request_id: str, status: int = 200) -> Reply:
    content = {"data": data, "errors": None, "metadata": {"requestId": request_id}}
    return _reply(content, status=status, headers={})


def refusal(error: ApiError, *, request_id: str, headers: Mapping[str, str]) -> Reply:
    errors = [{"errorCode": error.code, "message": error.message, "instance": error.instance}]
    content = {"data": None, "errors": errors, "metadata": {"requestId": request_id}}
    return _reply(content, status=error.status, headers=headers)


def oauth_answer(content: Json, *, status: int = 200) -> Reply:
    """Return an answer of the OAuth server, which has no envelope."""
    return _reply(content, status=status, headers={})


def html_page(status: int, title: str) -> Reply:
    """Return what the vendor's nginx says when the application behind it does not."""
    heading = f"{status} {title}"
    page = (
        f"<html>\r\n<head><title>{heading}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Reply(status, page.encode(), HTML_TYPE)


def _reply(content: Json, *, status: int, headers: Mapping[str, str]) -> Reply:
    return Reply(status, _ENCODER.encode(content).encode(), headers=dict(headers))
