"""A real Chromium that looks at the product as it is served from the test database."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from modules.accounts.models import User
from tests.browser.view import DESKTOP, PHONE, Reader, View
from tests.support.processes import WorkerProcess

# Playwright's driver runs an event loop in the thread of the tests, in which nothing of Django runs.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

READERS = [Reader("en", DESKTOP, "light"), Reader("cs", PHONE, "dark"), Reader("pl", PHONE, "light")]


def pytest_collection_modifyitems(items):
    """Mark all of them; they are asked for by name alone (`norecursedirs`)."""
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    """The system's browser; Playwright's own would be a download of 170 MB."""
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def operator(transactional_db):
    return User.objects.create_superuser("jana", "jana@backroom.example", "a long password")


@pytest.fixture
def open_view(chromium, live_server):
    """Return what opens a window for a reader; at the end no window may have had a complaint."""
    opened = []

    def open_one(reader):
        opened.append(View(chromium, live_server.url, reader))
        return opened[-1]

    yield open_one
    complaints = [complaint for view in opened for complaint in view.take_complaints()]
    for view in opened:
        view.context.close()
    assert complaints == []


@pytest.fixture(params=READERS, ids=str)
def view(request, open_view, operator):
    """A window of an operator who has logged in: each language, both widths, light and dark."""
    opened = open_view(request.param)
    opened.log_in(operator)
    return opened


@pytest.fixture
def start_worker(transactional_db):
    """Return what starts a real worker; all of them end with the test."""
    started = []

    def start(**options):
        started.append(WorkerProcess(**options))
        return started[-1]

    yield start
    for process in started:
        process.__exit__()
