"""The words of a search: read, refused with the way out, and written so that they mean the same."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.jobs.domain import SEARCH_WORDS, InvalidSearch, Known, State, Term, parse_search, span, write_search

KNOWN = Known(
    queues=frozenset({"import", "low"}),
    actors=frozenset({"shoptet.fetch_new", "orders.parse"}),
    tenants={"Alice": 3, "Blue Bird": 4},
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("state:failed", [Term("state", ("failed",))]),
        ("STATE:Failed,running", [Term("state", ("failed", "running"))]),
        ("  queue:import   -actor:shoptet.* ", [Term("queue", ("import",)), Term("actor", ("shoptet.*",), True)]),
        ('tenant:"blue bird"', [Term("tenant", ("4",))]),
        ("tenant:7", [Term("tenant", ("7",))]),
        ('error:"reset, by peer"', [Term("error", ("reset, by peer",))]),
        ("shop:4", [Term("", ("shop:4",))]),
        ("tag:shop:4", [Term("tag", ("shop:4",))]),
        ("older:2h ran:>5min", [Term("older", ("2h",)), Term("ran", (">5min",))]),
        ("args.shop.id:4", [Term("args.shop.id", ("4",))]),
        ("orders.par", [Term("", ("orders.par",))]),
    ],
)
def test_words_are_read(text, terms):
    assert parse_search(text, KNOWN) == terms


@pytest.mark.parametrize(
    ("text", "problem", "word", "hint"),
    [
        ("queue:import stat:failed", "name", "stat:failed", "state"),
        ("tags:shop:4", "name", "tags:shop:4", "tag"),
        ("state:broken", "state", "state:broken", ", ".join(State)),
        ("queue:imprt", "queue", "queue:imprt", "import"),
        ("actor:orders.parse_all", "actor", "actor:orders.parse_all", "orders.parse"),
        ("tenant:Carol", "tenant", "tenant:Carol", "Alice, Blue Bird"),
        ("older:yesterday", "age", "older:yesterday", "older:90min older:2h older:3d"),
        ("ran:5min", "ran", "ran:5min", "ran:>5min ran:<2s"),
        ("attempt:many", "number", "attempt:many", "attempt:3 attempt:>2"),
        ("batch:12", "id", "batch:12", ""),
        ("args:4", "argument", "args:4", "args.shop_id:4"),
        ('error:"open', "quotes", 'error:"open', ""),
        ("state:,", "empty", "state:,", "state"),
        ("queue: import", "empty", "queue:", "queue"),
        ('error:""', "empty", 'error:""', "error"),
        (" ".join(["word"] * 21), "too_many", "21", "20"),
    ],
)
def test_a_word_that_makes_no_sense_is_named_with_the_way_out(text, problem, word, hint):
    with pytest.raises(InvalidSearch) as caught:
        parse_search(text, KNOWN)

    assert (caught.value.problem, caught.value.word, caught.value.hint) == (problem, word, hint)


@pytest.mark.parametrize(("text", "long"), [("90min", 5_400), ("2h", 7_200), ("3d", 259_200), ("1w", 604_800)])
def test_a_length_of_time(text, long):
    assert span(text) == timedelta(seconds=long)


@pytest.mark.parametrize("text", ["2", "h", "-2h", "2 h", "2y", ""])
def test_no_length_of_time(text):
    assert span(text) is None


@settings(max_examples=50)
@given(st.text(st.sampled_from('abz-:*".,<> 14hn') | st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_read_or_refused_and_what_is_read_means_the_same_written(text):
    try:
        terms = parse_search(text, Known())
    except InvalidSearch:
        return

    assert parse_search(write_search(terms), Known()) == terms


@settings(max_examples=50)
@given(st.sampled_from(SEARCH_WORDS), st.text(max_size=20))
def test_a_named_word_with_any_value(name, value):
    try:
        terms = parse_search(f'{name}:"{value}"', KNOWN)
    except InvalidSearch:
        return

    assert parse_search(write_search(terms), Known()) == terms
