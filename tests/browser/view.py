"""A reader's window onto the console: language, width, light or dark; it notes all that the browser complains of."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from django.utils import translation
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, expect

DESKTOP, PHONE = (1440, 900), (390, 844)
LOCALES = {"en": "en-US", "cs": "cs-CZ", "pl": "pl-PL"}
ALLOWED = {
    "target-size": "the theme's: the search field's button, the page numbers and the sort marks are under 24 px",
}
"""axe-core's rules that a page may break, each with the reason."""

_NOTE_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  window.noteViolation(`CSP: ${event.violatedDirective} ${event.blockedURI} at ${event.sourceFile}`));
"""


@dataclass(frozen=True)
class Reader:
    """Who looks, and how."""

    language: str = "en"
    size: tuple[int, int] = DESKTOP
    theme: str = "light"
    has_scripts: bool = True

    def __str__(self) -> str:
        return f"{self.language}-{self.size[0]}-{self.theme if self.has_scripts else 'plain'}"


class View:
    """One window; `complaints` holds console errors, refused loads, foreign requests and failed answers."""

    def __init__(self, browser: Browser, origin: str, reader: Reader) -> None:
        self.origin, self.reader, self.complaints = origin, reader, []
        self.context = browser.new_context(
            base_url=origin,
            locale=LOCALES[reader.language],
            timezone_id=settings.TIME_ZONE,
            viewport={"width": reader.size[0], "height": reader.size[1]},
            color_scheme=reader.theme,
            reduced_motion="reduce",
            java_script_enabled=reader.has_scripts,
        )
        self.context.expose_binding("noteViolation", lambda _source, text: self.complaints.append(text))
        self.context.add_init_script(_NOTE_VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._note_request)
        self.page.on("response", self._note_response)

    def log_in(self, user: Any) -> None:
        """Give the window the session of a reader who has logged in."""
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        self.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": self.origin}])

    def visit(self, address: str) -> None:
        """Open a page of ours."""
        self.page.goto(address)

    def say(self, text: str) -> str:
        """Return a text of the console in the reader's language."""
        with translation.override(self.reader.language):
            return translation.gettext(text)

    def press(self, text: str, *, inside: Locator | None = None, exact: bool = True) -> None:
        """Press the button, link or fold that says so."""
        place, words = inside or self.page.locator("#main, body").first, self.say(text)
        found = place.locator("button, a, summary").filter(visible=True)
        found.get_by_text(words, exact=exact).or_(found.filter(has_text=words)).first.click()

    def wait_for(self, text: str, *, inside: str = "body", seconds: float = 30) -> None:
        """Wait until a part of the page says so."""
        expect(self.page.locator(inside).first).to_contain_text(self.say(text), timeout=seconds * 1000)

    def barriers(self) -> list[str]:
        """Return what keeps some people out, as axe-core sees it: its serious and critical rules."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['impact']} {one['id']}: {node['html'][:160]}"
            for one in found
            if one["impact"] in {"serious", "critical"} and one["id"] not in ALLOWED
            for node in one["nodes"][:3]
        ]

    def sideways(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def take_complaints(self) -> list[str]:
        """Return what came up since the last time."""
        taken, self.complaints = self.complaints, []
        return taken

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.complaints.append(f"foreign: {request.url}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")
