"""Every page that a link leads to is quiet, ours alone, open to all, as wide as its window, readable without script."""

import os
import re
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.browser.view import DESKTOP, PHONE, Reader
from tests.browser.world import furnish

pytestmark = pytest.mark.timeout(900)
READERS = [
    Reader("en", DESKTOP, "light"),
    Reader("pl", PHONE, "dark"),
    Reader("cs", DESKTOP, "dark"),
]
ID = re.compile(r"(?<=/)([0-9a-f]{8}-[0-9a-f-]{27}|\d+)(?=/)")
ALIKE = re.compile(r"^/admin/\w+(/\w+/<id>/(history|delete))?/$")  # one template shows the history of any row
PICTURES = os.environ.get("BROWSER_PICTURES", "")


@pytest.fixture
def world(operator):
    furnish(dice=Random(7))


@pytest.mark.parametrize("reader", READERS, ids=str)
def test_each_page_is_quiet_and_open_to_all(world, operator, open_view, reader):
    view = open_view(reader)
    view.log_in(operator)

    found = {place: _faults(view, place) for place in _walk(view)}

    faults = [f"{place} {fault}" for place, faults in found.items() for fault in faults]
    assert not faults, "\n".join(faults)
    assert _registered() - set(found) == set()


def test_each_page_can_be_read_without_scripts(world, operator, open_view):
    quiet = open_view(Reader())
    quiet.log_in(operator)
    places = {place: _seen(quiet) for place in _walk(quiet)}
    plain = open_view(Reader(has_scripts=False))
    plain.log_in(operator)

    missing = []
    for place, seen in places.items():
        plain.visit(place)
        _picture(plain, place)
        missing += [f"{place} {words}" for words in seen - _seen(plain)]
        plain.page.locator("#main").click(trial=True, timeout=5_000)  # nothing lies over it

    assert places["/admin/jobs/queues/"] >= {"Queues", "default"}
    assert not missing, "\n".join(missing)


def _walk(view):
    """Visit the home page and all that links lead to, of pages that differ by an id alone the first; yield each."""
    waiting, seen = ["/admin/"], set()
    while waiting:
        place = waiting.pop(0)
        if (kind := _kind(place)) in seen:
            continue
        seen.add(kind)
        view.visit(place)
        yield place
        links = view.page.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
        parts = [urlsplit(link) for link in links if link.startswith(f"{view.origin}/admin/")]
        waiting += [part.path for part in parts]


def _seen(view):
    """Return the titles, labels and column heads, and the first cell of each row, that the reader sees.

    Without what tells the time, and without the stock admin's pairs of lists: scripts make two of one.
    """
    parts = ":is(h2, label, thead th, tbody th, tbody td:first-child):not(.selector *, :has(time))"
    texts = view.page.locator(f"#main {parts}")
    return {text.strip() for text in texts.filter(visible=True).all_inner_texts() if text.strip()}


def _kind(place):
    """Return the address without what tells pages of one kind apart."""
    return ALIKE.sub(r"<any>/\2", ID.sub("<id>", place)) if place != "/admin/" else place


def _faults(view, place):
    _picture(view, place)
    wider = view.sideways()
    return [*view.take_complaints(), *view.barriers(), *([f"{wider} px too wide"] if wider > 0 else [])]


def _registered():
    """Return the address of every list."""
    return {reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist") for m in admin.site._registry}


def _picture(view, place):
    if PICTURES:
        folder = Path(PICTURES) / str(view.reader)
        folder.mkdir(parents=True, exist_ok=True)
        name = ID.sub("row", place).strip("/").replace("/", "_")
        view.page.screenshot(path=folder / f"{name}.png", full_page=True)
