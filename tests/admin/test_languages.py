"""The console speaks three languages: every text has both translations, and the compiled files are true."""

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation import ngettext

from tests.admin.factories import make_attempt, make_job
from tests.admin.pages import LISTS, detail, listing, make_any, words

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["cs", "pl"]
CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "pgettext"}
TAGS = re.compile(r"{% translate \"([^\"]+)\" %}|{% blocktranslate[^%]*%}(.*?){% (?:plural|endblocktranslate) %}")


def compiled(language):
    with (ROOT / f"config/locale/{language}/LC_MESSAGES/django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)._catalog


def catalog(language):
    """Return the compiled texts by msgid; a plural's msgid stands for all its forms."""
    found = compiled(language)
    return {(key[0] if isinstance(key, tuple) else key).split("\x04")[-1]: text for key, text in found.items()}


def texts_in_code():
    for path in [*ROOT.glob("modules/**/*.py"), *ROOT.glob("config/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CALLS:
                place = 1 if node.func.id == "pgettext" else 0
                if isinstance(node.args[place], ast.Constant):
                    yield node.args[place].value


def texts_in_templates():
    for path in ROOT.glob("modules/**/templates/**/*.html"):
        for plain, block in TAGS.findall(path.read_text()):
            yield plain or re.sub(r"{{ (\w+) }}", r"%(\1)s", block)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language):
    known = catalog(language)

    assert sorted({text for text in [*texts_in_code(), *texts_in_templates()] if not known.get(text)}) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalog_holds_what_the_readable_one_says(language):
    source = (ROOT / f"config/locale/{language}/LC_MESSAGES/django.po").read_text()
    said = re.findall(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\n?)+)', source, flags=re.MULTILINE)
    readable = {"".join(ast.literal_eval(line) for line in text.splitlines()) for text in said[1:]}

    held = {text for key, text in compiled(language).items() if key}

    assert (held - readable, readable - held, "#, fuzzy" in source) == (set(), set(), False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_keeps_the_places_of_values(language):
    places = re.compile(r"%\(\w+\)[sd]|%[srd]|{}")
    wrong = [
        (text, found)
        for text, found in catalog(language).items()
        if text and sorted(places.findall(text)) != sorted(places.findall(found))
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("cs", ["1 úloha", "3 úlohy", "5 úloh", "22 úloh"]),
        ("pl", ["1 zadanie", "3 zadania", "5 zadań", "22 zadania"]),
    ],
)
def test_numbers_take_the_right_form(language, said):
    with translation.override(language):
        forms = [ngettext("%(count)s job", "%(count)s jobs", n) % {"count": n} for n in (1, 3, 5, 22)]

    assert forms == said


@pytest.mark.parametrize(("language", "word"), [("cs", "Neúspěšné úlohy"), ("pl", "Nieudane zadania")])
@pytest.mark.parametrize("name", [*LISTS, "home"])
def test_every_page_answers_in_each_language(root, alice, name, language, word):
    if name != "home":
        make_any(name, alice)

    response = root.get("/admin/" if name == "home" else listing(name), headers={"accept-language": language})

    assert (response.status_code, response.headers["Content-Language"], word in words(response)) == (
        200,
        language,
        True,
    )


@pytest.mark.parametrize(("language", "word"), [("cs", "Výpis chyby"), ("pl", "Ślad błędu")])
def test_a_job_page_answers_in_each_language(root, language, word):
    job = make_job("failed")
    make_attempt(job, traceback="Traceback (most recent call last)")

    assert word in words(root.get(detail("jobs_job", job), headers={"accept-language": language}))
