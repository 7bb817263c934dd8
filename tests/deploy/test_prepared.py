import sys
from io import StringIO

import pytest

from deploy.local import prepared
from deploy.local.log import Log


@pytest.mark.journey
def test_a_fresh_data_folder_starts_with_every_table(launch):
    launcher = launch(sys.executable, "manage.py", "migrate", "--check")

    _, errors = launcher.communicate(timeout=120)

    assert (launcher.returncode, errors) == (0, "")


def test_where_nothing_can_be_kept_the_cluster_is_left_to_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(prepared, "KEPT", tmp_path / "file" / "prepared")
    said = StringIO()

    prepared.lay(tmp_path, log=Log(said), is_synced=False)

    assert "there is no prepared cluster" in said.getvalue()
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("changed", ["requirements.lock", "config/settings/base.py", "modules/new/migrations/0001.py"])
def test_whatever_changes_the_tables_asks_for_another_cluster(tmp_path, changed):
    for name in ("requirements.lock", "config/settings/base.py", "modules/old/migrations/0001.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    before = prepared.key(tmp_path)

    (tmp_path / changed).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / changed).write_text("changed")

    assert prepared.key(tmp_path) != before
