"""What import-linter cannot say: who may touch whose tables, what an actor looks like, that documents are true."""

import inspect
import tomllib
from pathlib import Path

import grimp
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands

from modules.jobs import registry, services

ROOT = Path(__file__).resolve().parents[2]
OPEN_TO_ALL = {"services", "selectors", "events", "domain", "engine", "registry"}
OPEN_FOR_READING = {"models"}
READERS = {"models", "selectors", "admin"}


def ladder():
    """Return the modules from the top row to the bottom, as the import contract says."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract["name"] == "modules depend downwards only")
    return [[name.strip() for name in row.split("|")] for row in rows]


RANK = {name: len(ladder()) - number for number, row in enumerate(ladder()) for name in row}
MODULES = sorted(name for name in RANK if name != "kernel")


def own_actors():
    return [spec for spec in registry.all_specs() if spec.fn.__module__.startswith("modules.")]


def test_a_module_uses_another_ones_services_and_selectors_and_writes_no_table_of_it():
    graph = grimp.build_graph("modules")
    wrong = []
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            ours, theirs = importer.split("."), imported.split(".")
            if len(theirs) < 3 or ours[1] == theirs[1] or theirs[1] == "kernel" or "migrations" in ours:
                continue
            may_read = ours[2] in READERS and theirs[2] in OPEN_FOR_READING
            if theirs[2] not in OPEN_TO_ALL and not may_read:
                wrong.append(f"{importer} -> {imported}")

    assert wrong == []


def test_foreign_keys_point_down_the_ladder():
    wrong = []
    for name in MODULES:
        for model in apps.get_app_config(name).get_models():
            for field in model._meta.get_fields():
                target = getattr(field, "related_model", None)
                if not field.concrete or target is None or not target.__module__.startswith("modules."):
                    continue
                if RANK[target._meta.app_label] > RANK[name]:
                    wrong.append(f"{model._meta.label}.{field.name} -> {target._meta.label}")

    assert wrong == []


def test_an_actor_is_named_after_its_place_takes_named_arguments_and_waits_in_a_served_queue():
    served = {queue for pool in settings.JOBS["POOLS"].values() for queue in pool}
    wrong = []
    for spec in own_actors():
        module = spec.fn.__module__.split(".")[1]
        kinds = {parameter.kind for parameter in inspect.signature(spec.fn).parameters.values()}
        if spec.name != f"{module}.{spec.fn.__name__}" or not spec.fn.__doc__:
            wrong.append(f"{spec.name}: name or docstring")
        if kinds - {inspect.Parameter.KEYWORD_ONLY}:
            wrong.append(f"{spec.name}: positional parameters")
        if spec.queue not in served:
            wrong.append(f"{spec.name}: no pool serves {spec.queue}")

    assert wrong == []


def test_every_declared_schedule_can_run():
    problems = {
        schedule.key: services.schedule_problems(actor=schedule.actor, timetable=schedule, options=schedule.options)
        for schedule in registry.all_schedules()
    }

    assert {key: found for key, found in problems.items() if found} == {}


def test_the_map_names_every_module():
    rows = (ROOT / "modules" / "README.md").read_text()

    assert [name for name in RANK if f"`{name}`" not in rows] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_readme_names_its_actors_schedules_and_commands(module):
    text = (ROOT / "modules" / module / "README.md").read_text()
    actors = [spec.name for spec in own_actors() if spec.name.startswith(f"{module}.")]
    schedules = [item.key for item in registry.all_schedules() if item.actor.startswith(f"{module}.")]
    commands = [command for command, app in get_commands().items() if app == f"modules.{module}"]

    assert [name for name in (*actors, *schedules, *commands) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_readme_names_no_actor_or_schedule_that_is_gone(module):
    text = (ROOT / "modules" / module / "README.md").read_text()
    known = {spec.name for spec in registry.all_specs()} | {item.key for item in registry.all_schedules()}
    rows = [line.split("`")[1] for line in text.splitlines() if line.startswith(f"| `{module}.")]

    assert [name for name in rows if name not in known | {"jobs.tick"}] == []
