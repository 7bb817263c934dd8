"""Names that people gave their files are harmless wherever the archive is unpacked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.reports.domain import Names, safe_name
from modules.reports.domain.names import MAX_BYTES


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("C:\\Windows\\a.exe", "C__Windows_a.exe"),
        ("a\0b.jpg", "a_b.jpg"),
        ("..", "file"),
        ("", "file"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1 .jpg", "_com1 .jpg"),
        ("dot.", "dot"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
        ("e\u0301.jpg", "é.jpg"),
        ("ž" * 200 + ".jpg", "ž" * 58 + ".jpg"),
        ("\ud800.jpg", "_.jpg"),
    ],
)
def test_a_hostile_name_is_made_safe(text, name):
    assert safe_name(text) == name


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_any_text_is_one_short_part_of_a_path(text):
    name = safe_name(text)

    assert 1 <= len(name.encode()) <= MAX_BYTES + 1
    assert not set(name) & set('/\\\0<>:"|?*\n\r')
    assert name.strip(" .")
    assert not name.endswith((".", " "))
    assert safe_name(name) == name


def test_a_name_that_comes_again_is_another():
    names = Names()

    taken = [names.take("files", name) for name in ("a.jpg", "A.jpg", "a.jpg", "a (2).jpg", "b", "b")]

    assert taken == [
        "files/a.jpg",
        "files/A (2).jpg",
        "files/a (3).jpg",
        "files/a (2) (2).jpg",
        "files/b",
        "files/b (2)",
    ]
