"""Seven mails in three languages: all whole, each part said in the right words."""

import re

import pytest

from modules.notifications import services
from modules.notifications.domain import LANGUAGES, MAILS, InvalidMail, html_of, text_of
from modules.notifications.services import _render
from modules.notifications.services._render import FOLDER

EVERY = [(template, locale) for template in MAILS for locale in LANGUAGES]
GREETING = {"cs": "Dobrý den", "en": "Hello", "pl": "Dzień dobry"}


def render(template, locale="cs", **values):
    return services.render(template=template, locale=locale, values={**MAILS[template].sample, **values})


@pytest.mark.parametrize(("template", "locale"), EVERY)
def test_every_mail_is_whole_in_every_language(template, locale):
    mail = render(template, locale)

    assert 5 < len(mail.subject) < 100
    for part in (mail.text, mail.html):
        assert GREETING[locale] in part
        assert re.findall(r"{[{%]|[%}]}|None", part) == []
    assert f'lang="{locale}"' in mail.html
    assert "\n\n\n" not in mail.text


@pytest.mark.parametrize(("template", "locale"), EVERY)
def test_every_mail_shows_all_that_it_asks_for(template, locale):
    source = (FOLDER / f"{template}.{locale}.txt").read_text()

    assert [name for name in MAILS[template].sample if name not in source] == []


@pytest.mark.parametrize(("template", "locale"), EVERY)
def test_both_parts_say_the_same_values(template, locale):
    mail = render(template, locale)

    addresses = [value for name, value in MAILS[template].sample.items() if name.endswith("_url")]
    assert [url for url in addresses if url not in mail.text or f'href="{url}"' not in mail.html] == []


@pytest.mark.parametrize("template", MAILS)
def test_no_value_may_be_missing(template):
    for name in MAILS[template].sample:
        with pytest.raises(InvalidMail) as refused:
            render(template, **{name: None})
        assert refused.value.field == f"values.{name}"


def test_a_value_that_a_template_names_and_nobody_declared_is_refused(monkeypatch, tmp_path):
    (tmp_path / "export_ready.cs.txt").write_text("Export\n\n{{ size }} {{ forgotten }}\n")
    monkeypatch.setattr(_render, "FOLDER", tmp_path)
    _render._templates.cache_clear()
    try:
        with pytest.raises(InvalidMail, match=r"values\.forgotten: is missing"):
            render("export_ready")
    finally:
        _render._templates.cache_clear()


SUMMARY = """Dobrý den Jana Nováková,

zde je přehled aktivity za poslední týden (21. 12. 2026 - 27. 12. 2026):

📊 Vaše aktivita
- Vytvořeno záznamů: 4
- Upraveno záznamů: 2
- Nahráno dokumentů: 7
- Přidáno komentářů: 3

👥 Aktivita na sdílených nemovitostech
- Chalupa: nových záznamů 2
- Revize komínu: nový komentář (Petr Dvořák)
- Chalupa: nový člen Petr Dvořák

⚠️ Upozornění
- Rozpracované záznamy: 2
- Čekající pozvánky: 1
- Záznamy, které budou brzy smazány: 1

Otevřít Backroom: https://example.com/

---
Tento e-mail můžete vypnout v Nastavení → Notifikace, nebo hned zde:
Odhlásit odběr: https://example.com/unsubscribe
"""


def test_the_weekly_summary_says_what_it_is_to_say():
    assert render("weekly_summary").subject == "Váš týdenní souhrn z Backroom"
    assert render("weekly_summary").text == SUMMARY


def test_a_summary_leaves_out_what_there_is_nothing_of():
    nothing = {"new_records": [], "new_comments": [], "new_members": []}
    quiet = {"pending_drafts": 0, "pending_invitations": 0, "expiring_drafts": 0}

    mail = render("weekly_summary", **nothing, **quiet)

    assert ("sdílených" in mail.text, "Upozornění" in mail.html) == (False, False)
    assert "- Přidáno komentářů: 3\n\nOtevřít Backroom" in mail.text


def test_only_pending_invitations_are_told():
    mail = render("weekly_summary", pending_drafts=0, expiring_drafts=0)

    assert "⚠️ Upozornění\n- Čekající pozvánky: 1\n\nOtevřít" in mail.text


def test_the_item_of_a_list_has_its_shape_too():
    with pytest.raises(InvalidMail) as refused:
        render("weekly_summary", new_records=[{"property": "Chalupa"}])

    assert refused.value.field == "values.new_records.0.count"


SOURCE = """Subject

Hello {{ name }}
{% for x in y %}
- {{ x }}
{% endfor %}
# Head
[Go]({{ url }})
---
"""


def test_one_source_becomes_text_and_html():
    assert text_of(SOURCE) == ("Hello {{ name }}\n{% for x in y %}- {{ x }}\n{% endfor %}Head\nGo: {{ url }}\n---\n")
    html = re.sub(r' style="[^"]*"', "", html_of(SOURCE)).split("\n")
    assert html == [
        "<p>Hello {{ name }}</p>",
        "{% for x in y %}",
        "<p>&bull; {{ x }}</p>",
        "{% endfor %}",
        "<h2>Head</h2>",
        '<p><a href="{{ url }}">Go</a></p>',
        "<hr>",
    ]
