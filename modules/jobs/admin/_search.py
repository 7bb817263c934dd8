"""The search of job lists as people meet it: its help, its mistakes in words, the words that a list's filters are."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.jobs import selectors
from modules.jobs.domain import InvalidSearch, Known, Term, parse_search
from modules.jobs.registry import all_specs
from modules.jobs.selectors import LOOKED_AT
from modules.kernel import clock
from modules.kernel.console import tenant_names

HELP = [
    ("state:failed,quarantined", gettext_lazy("in one of these states")),
    ("queue:import", gettext_lazy("in this queue")),
    ("actor:shoptet.*", gettext_lazy("of the actors whose names begin so")),
    ('tenant:"Blue Bird"', gettext_lazy("of this tenant, by name or number")),
    ("error:Timeout", gettext_lazy("whose last error is of this type or has this text")),
    ("older:2h newer:3d", gettext_lazy("sent before, or since; s, min, h, d, w")),
    ("ran:>5min", gettext_lazy("whose last run took longer, or with < shorter")),
    ("attempt:>2 priority:<0", gettext_lazy("by number; >, < or exactly")),
    ("args.shop_id:4", gettext_lazy("with this argument")),
    ("tag:shop:4", gettext_lazy("with this tag; its name alone will do")),
    ("-queue:low", gettext_lazy("a minus: none of these")),
]
_FILTERS = {
    **{name: name for name in ("state", "queue", "actor", "tenant", "batch", "replay")},
    "fingerprint": "cause",
}
_OF_THE_PAGE = {"p", "o", "q"}


@dataclass(frozen=True)
class SearchBox:
    """What stands beside the field: the help, and what is to be said of this search."""

    help: Any
    problem: str = ""
    note: str = ""


def known() -> Known:
    """Return what this reader may search for."""
    return Known(
        queues=frozenset(selectors.known_queues()),
        actors=frozenset(spec.name for spec in all_specs()),
        tenants={name: tenant_id for tenant_id, name in tenant_names().items()},
    )


def find(jobs: "QuerySet[Any]", text: str) -> "QuerySet[Any]":
    """Return the jobs that a search fits, none for one that cannot be understood: `search_box` says why."""
    try:
        return selectors.search_jobs(jobs, parse_search(text, known()), now=clock.now())
    except InvalidSearch:
        return jobs.none()


def search_box(text: str) -> SearchBox:
    """Return what to show beside the field for what was typed into it."""
    try:
        terms = parse_search(text, known())
    except InvalidSearch as error:
        return SearchBox(HELP, problem=say(error))
    return SearchBox(HELP, note=_partial_note() if selectors.is_partial(terms) else "")


def _partial_note() -> str:
    count = number_format(LOOKED_AT, force_grouping=True)
    return _("Looked through the newest %(count)s jobs; add state:failed, error: or batch: to look through all.") % {
        "count": count
    }


def say(error: InvalidSearch) -> str:
    """Return what is wrong with a search, which word, and what would be right."""
    text = {
        "name": _("“%(word)s”: there is no such word here. Did you mean %(hint)s: ?"),
        "quotes": _("“%(word)s”: a quotation mark is open, or stands inside a word. Put the whole value between two."),
        "empty": _("“%(word)s”: nothing stands after the colon. Write %(hint)s: and a value, without a space."),
        "state": _("“%(word)s”: there is no such state. There are: %(hint)s."),
        "queue": _("“%(word)s”: no pool serves such a queue. There are: %(hint)s. With * at its end any will do."),
        "actor": _("“%(word)s”: the code has no such actor. Near are: %(hint)s. With * at its end any will do."),
        "tenant": _("“%(word)s”: you see no such tenant. There are: %(hint)s."),
        "age": _("“%(word)s”: this is no length of time. Write for example %(hint)s."),
        "ran": _("“%(word)s”: this wants > or < and a length of time. Write for example %(hint)s."),
        "number": _("“%(word)s”: this wants a number. Write for example %(hint)s."),
        "id": _("“%(word)s”: this wants a whole id, as the page of the batch shows it."),
        "argument": _("“%(word)s”: say which argument. Write for example %(hint)s."),
        "too_many": _("These are %(word)s words; at most %(hint)s are looked for."),
    }[error.problem]
    return text % {"word": error.word, "hint": error.hint}


def terms_of(request: HttpRequest) -> list[Term]:
    """Return the words that a list's address stands for, its filters and its search.

    Raises BadRequest for a filter that is none of these: whatever acts on all that match must not match more.
    """
    try:
        searched = parse_search(request.GET.get("q", ""), known())
        return [*_filters(request.GET), *searched]
    except InvalidSearch as error:
        raise BadRequest(say(error)) from error


def _filters(params: QueryDict) -> list[Term]:
    found = []
    for name, value in params.items():
        if name in _OF_THE_PAGE or not value:
            continue
        if name not in _FILTERS or any(sign in str(value) for sign in ',*"'):
            raise BadRequest(f"The filter {name} cannot be understood.")
        found += parse_search(f'{_FILTERS[name]}:"{value}"', Known())
    return found
