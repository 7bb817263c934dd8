"""What the settings read of the environment."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(("text", "value"), [("{}", {}), ('{"KEY": "x", "N": 1}', {"KEY": "x", "N": 1})])
def test_an_object_is_written_as_json(monkeypatch, text, value):
    monkeypatch.setenv("SOME_OBJECT", text)

    assert env.mapping("SOME_OBJECT") == value
    assert env.mapping("NOT_SET") == {}


@pytest.mark.parametrize("text", ["[]", "secret", '"secret"', "null"])
def test_a_wrong_object_is_named_and_not_shown(monkeypatch, text):
    monkeypatch.setenv("SOME_OBJECT", text)

    with pytest.raises(ImproperlyConfigured, match=r"^SOME_OBJECT is no JSON object\.$"):
        env.mapping("SOME_OBJECT")
