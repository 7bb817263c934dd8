"""A mail's subject, text and HTML: made before the mail is stored, whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template import Context, Engine, Template
from django.utils import translation
from django.utils.safestring import mark_safe

from modules.notifications.domain import (
    LANGUAGES,
    InvalidMail,
    check_line,
    check_values,
    get_mail,
    html_of,
    subject_of,
    text_of,
)

FOLDER = Path(__file__).resolve().parent.parent / "templates" / "notifications" / "mails"


@dataclass(frozen=True)
class RenderedMail:
    """What a mail says."""

    subject: str
    text: str
    html: str


class _Missing(str):
    """Put where a template names what it was not given: Django would leave the place empty."""

    __slots__ = ()

    def __mod__(self, variable: Any) -> str:
        raise InvalidMail(f"values.{variable}", "is missing.")


_engine = Engine(string_if_invalid=_Missing("%s"))


def render(
    *, template: str, locale: str, values: Mapping[str, Any], unsubscribe_url: str = "https://example.com/unsubscribe"
) -> RenderedMail:
    """Return the mail in this language; raises InvalidMail, which names the field that is missing or wrong."""
    if locale not in LANGUAGES:
        raise InvalidMail("locale", f"there is no {locale!r}; there are: {', '.join(LANGUAGES)}.")
    check_values(template, values)
    known = {**values, "product": settings.NOTIFICATIONS["PRODUCT_NAME"], "unsubscribe_url": unsubscribe_url}
    subject, text, html = _templates(template, locale)
    with translation.override(locale):
        line = subject.render(Context(known, autoescape=False)).strip()
        check_line("subject", line)
        content = html.render(Context(known))
        page = {"language": locale, "subject": line, "content": mark_safe(content)}  # noqa: S308 -- rendered with escapes
        body = text.render(Context(known, autoescape=False))
        return RenderedMail(line, _without_gaps(body), _page().render(Context(page)))


def _without_gaps(text: str) -> str:
    """Return a text without the second empty line that a part left out leaves behind."""
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


@cache
def _templates(template: str, locale: str) -> tuple[Template, Template, Template]:
    source = (FOLDER / f"{template}.{locale}.txt").read_text(encoding="utf-8")
    if get_mail(template).kind:
        source = f"{source}\n{(FOLDER / f'_way_out.{locale}.txt').read_text(encoding='utf-8')}"
    return (
        _engine.from_string(subject_of(source)),
        _engine.from_string(text_of(source)),
        _engine.from_string(html_of(source)),
    )


@cache
def _page() -> Template:
    return Engine().from_string((FOLDER / "_page.html").read_text(encoding="utf-8"))
