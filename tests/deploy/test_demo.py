from decimal import Decimal
from io import StringIO

import pytest

from deploy.local.demo import Figures, Import, agrees, demo, read_purchases, table
from deploy.local.log import Log
from deploy.local.processes import UnableToStart
from deploy.local.product import PURCHASES
from deploy.local.progress import Progress

RIGHT = Figures(orders=3, customers=2, revenue=Decimal("1234.50"), linked=3, unlinked=0)


def imported(figures=RIGHT, **states):
    return Import(figures, {"succeeded": 8, "failed": 0, "quarantined": 0, **states}, jobs=4, seconds=2.0)


def test_the_source_is_read_without_the_product(tmp_path):
    (tmp_path / "purchases.txt").write_text(
        " 00004 0001 19970101  2   29.33\n 00004 0001 19970118  2   29.73\n 00021 0002 19970101  3   63.34\n\n"
    )

    expected = Figures(orders=3, customers=2, revenue=Decimal("122.40"), linked=3, unlinked=0)
    assert read_purchases(tmp_path / "purchases.txt") == expected


def test_the_sample_is_the_published_one():
    expected = Figures(orders=6919, customers=2357, revenue=Decimal("244091.94"), linked=6919, unlinked=0)

    assert read_purchases(PURCHASES) == expected


def test_equal_figures_and_no_lost_job_agree():
    assert agrees(RIGHT, first=imported(), second=imported()) is True


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"failed": 1}),
        ({}, {"quarantined": 1}),
        ({"figures": Figures(3, 2, Decimal("1234.49"), 3, 0)}, {}),
        ({}, {"figures": Figures(6, 2, Decimal("2469.00"), 6, 0)}),
        ({"figures": Figures(3, 2, Decimal("1234.50"), 2, 1)}, {}),
    ],
)
def test_one_wrong_figure_or_lost_job_does_not(first, second):
    assert agrees(RIGHT, first=imported(**first), second=imported(**second)) is False


def test_the_table_puts_the_figures_side_by_side():
    assert table(RIGHT, first=imported(), second=imported()).splitlines() == [
        "",
        "                              expected  first import  second import",
        "Orders                               3             3              3",
        "Customers                            2             2              2",
        "Revenue, USD                  1,234.50      1,234.50       1,234.50",
        "Orders with a customer               3             3              3",
        "Orders without one                   0             0              0",
        "",
        "Jobs succeeded                       8",
        "Jobs failed                          0",
        "Jobs quarantined                     0",
        "Jobs per second                                  2.0            2.0",
        "Seconds                                          2.0            2.0",
    ]


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path, monkeypatch):
    (tmp_path / "mine").touch()
    monkeypatch.setenv("BACKROOM_DATA", str(tmp_path))

    with pytest.raises(UnableToStart, match="is not empty; the demonstration wants a fresh folder"):
        demo()

    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_without_a_terminal_progress_is_a_line_every_few_seconds():
    stream = StringIO()
    progress = Progress(Log(stream), title="Import", finished_before=10)
    progress.show(finished=12, waiting=3)
    progress.show(finished=15, waiting=0)
    progress.end()

    assert stream.getvalue() == "Import ...\nImport: 5 of 5 jobs, 0 s\n"
