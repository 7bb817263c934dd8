import json
import os
import socket

import pytest

from deploy.local import folder


def test_a_secret_is_made_once_and_is_its_owners_alone(tmp_path):
    first = folder.kept_secret(tmp_path / "secret")

    assert folder.kept_secret(tmp_path / "secret") == first
    assert len(first) == 24
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_the_user_wrote_is_taken_without_its_line_end(tmp_path):
    (tmp_path / "secret").write_text("my own\n")

    assert folder.kept_secret(tmp_path / "secret") == "my own"


def test_a_port_is_kept_as_long_as_it_is_free(tmp_path):
    first = folder.kept_port(tmp_path / "port")
    again = folder.kept_port(tmp_path / "port")
    with socket.create_server(("127.0.0.1", first)):
        other = folder.kept_port(tmp_path / "port")

    assert again == first
    assert other != first
    assert (tmp_path / "port").read_text() == str(other)


@pytest.mark.parametrize("rubbish", ["", "rubbish", "70000", "-1"])
def test_a_file_that_holds_no_port_gets_one(tmp_path, rubbish):
    (tmp_path / "port").write_text(rubbish)

    assert folder.is_free(folder.kept_port(tmp_path / "port"))


def test_the_next_free_port_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = busy.getsockname()[1]

        assert folder.is_free(taken) is False
        assert taken < folder.free_port(taken) < taken + 100


def test_a_reader_never_sees_half_a_file(tmp_path):
    folder.write_json(tmp_path / "pids.json", {"web": 1})
    before = (tmp_path / "pids.json").open()
    folder.write_json(tmp_path / "pids.json", {"web": 2})

    assert json.load(before) == {"web": 1}
    assert json.loads((tmp_path / "pids.json").read_text()) == {"web": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["pids.json"]


def test_a_temporary_folder_is_gone_afterwards_even_after_an_error():
    def fail_inside():
        with folder.temporary() as data:
            seen.append(data)
            (data / "file").touch()
            raise ZeroDivisionError

    seen = []
    with pytest.raises(ZeroDivisionError):
        fail_inside()

    assert [data.exists() for data in seen] == [False]


def test_a_folder_is_free_again_after_its_holder(tmp_path):
    with folder.hold(tmp_path / "data"):
        assert (tmp_path / "data" / "lock").read_text() == str(os.getpid())
    with folder.hold(tmp_path / "data"):
        pass
