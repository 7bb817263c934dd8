"""`make pictures`: the README's pictures, taken of the console over a made-up shop; asked for by name alone."""

from pathlib import Path
from random import Random

import pytest

from modules.jobs.models import Job
from tests.browser.view import Reader
from tests.browser.world import furnish

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "images"
PAGES = {
    "console-overview": lambda: "/admin/",
    "console-queues": lambda: "/admin/jobs/queues/",
    "console-failed-jobs": lambda: "/admin/jobs/failedjob/",
    "console-failed-job": lambda: f"/admin/jobs/job/{Job.objects.filter(attempts__isnull=False).first().pk}/change/",
}


@pytest.mark.timeout(300)
def test_the_pictures_are_taken(operator, open_view):
    furnish(dice=Random(7))
    view = open_view(Reader())
    view.log_in(operator)

    for name, address in PAGES.items():
        view.visit(address())
        view.page.screenshot(path=FOLDER / f"{name}.png")

    assert {file.stem for file in FOLDER.glob("*.png")} >= set(PAGES)
