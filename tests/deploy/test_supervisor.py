import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from io import StringIO
from pathlib import Path

import psutil
import pytest

from deploy.local.log import Log
from deploy.local.processes import Program, UnableToStart, end_leftovers, owned_by
from deploy.local.supervisor import Stopped, Supervisor

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TELL_AND_SLEEP = "import time; print('up', flush=True); time.sleep(60)"
DEAF = """
    import os, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.fork()
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(data):
    data.mkdir()
    return data


@pytest.fixture
def stream():
    return StringIO()


@pytest.fixture
def supervise(folder, stream):
    return lambda: Supervisor(data=folder, log=Log(stream))


@pytest.fixture
def program(folder):
    def make(code, **options):
        command = [sys.executable, "-c", textwrap.dedent(code)]
        return Program(**{"name": "stand-in", "command": command, "folder": ROOT, "environment": os.environ, **options})

    return make


def wait_for(supervisor, stream, text, *, times=1):
    end = time.monotonic() + 20
    supervisor.watch(lambda: stream.getvalue().count(text) >= times or time.monotonic() > end, seconds=0.1)
    assert stream.getvalue().count(text) >= times


def test_a_program_that_ends_starts_again_after_longer_and_longer_pauses(supervise, stream, program):
    with supervise() as supervisor:
        supervisor.start(program("print('hello')\nraise SystemExit(3)"))
        wait_for(supervisor, stream, "in 2 s")

    assert stream.getvalue().splitlines() == [
        line
        for pause in ("0.5", "1", "2")
        for line in ("stand-in   | hello", f"stand-in   | ended with code 3; starts again in {pause} s")
    ]


def test_the_file_of_pids_follows_a_restart(supervise, stream, program, folder):
    with supervise() as supervisor:
        supervisor.start(program(TELL_AND_SLEEP))
        wait_for(supervisor, stream, "up")
        first = json.loads((folder / "pids.json").read_text())
        os.kill(first["stand-in"], signal.SIGKILL)
        wait_for(supervisor, stream, "up", times=2)
        second = json.loads((folder / "pids.json").read_text())
        working = {process.pid for process in owned_by(folder)}

    assert second["stand-in"] != first["stand-in"]
    assert {second["stand-in"]} == working


def test_lines_without_an_end_and_longer_than_memory_wants_are_shown(supervise, stream, program):
    with supervise() as supervisor:
        supervisor.run(program("import sys; sys.stdout.write('x' * 200_000)"))

    text = stream.getvalue().replace("setup      | ", "").replace("\n", "")
    assert text == "x" * 200_000


def test_a_deaf_program_is_killed_with_its_descendants(supervise, stream, program, folder):
    with supervise() as supervisor:
        supervisor.start(program(DEAF, stop_seconds=0.5))
        wait_for(supervisor, stream, "up", times=2)

    assert owned_by(folder) == []


def test_a_killed_master_takes_its_workers_with_it(supervise, stream, program, folder):
    with supervise() as supervisor:
        supervisor.start(program(DEAF, stop_seconds=0.5))
        wait_for(supervisor, stream, "up", times=2)
        former = owned_by(folder)
        os.kill(json.loads((folder / "pids.json").read_text())["stand-in"], signal.SIGKILL)
        wait_for(supervisor, stream, "up", times=4)

        assert [process for process in former if process in owned_by(folder)] == []


def test_later_stages_stop_before_earlier_ones(supervise, stream, program):
    code = """
        import signal, sys, time
        def end(*_):
            time.sleep(0.3)
            print("over", flush=True)
            sys.exit()
        signal.signal(signal.SIGTERM, end)
        print("up", flush=True)
        while True:
            signal.pause()
    """
    with supervise() as supervisor:
        for stage, name in enumerate(["servers", "shop", "workers"]):
            supervisor.start(program(code, name=name, stage=stage))
        wait_for(supervisor, stream, "up", times=3)

    ends = [line.split()[0] for line in stream.getvalue().splitlines() if line.endswith("over")]
    assert ends == ["workers", "shop", "servers"]


def test_a_step_that_fails_is_told_with_its_last_lines(supervise, program):
    with supervise() as supervisor, pytest.raises(UnableToStart) as caught:
        supervisor.run(program("print('why')\nraise SystemExit(2)", name="migrate"))

    assert str(caught.value) == "migrate ended with code 2. Its last lines:\n  why"


def test_a_program_that_ends_before_it_is_ready_is_told(supervise, program):
    with supervise() as supervisor, pytest.raises(UnableToStart) as caught:
        supervisor.start(program("print('why')", is_ready=lambda: False))

    assert str(caught.value) == "stand-in ended with code 0 before it was ready. Its last lines:\n  why"


def test_a_program_that_is_not_ready_in_time_is_told_and_stopped(supervise, program, folder):
    with supervise() as supervisor, pytest.raises(UnableToStart, match="was not ready in 1 s"):
        supervisor.start(program(TELL_AND_SLEEP, is_ready=lambda: False, ready_seconds=1))

    assert owned_by(folder) == []


def test_a_missing_command_is_told(supervise, program):
    with supervise() as supervisor, pytest.raises(UnableToStart, match="cannot run no-such-command: No such file"):
        supervisor.start(program("", command=["no-such-command"]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_the_former_handlers_return(supervise, program, folder, number):
    def run():
        with supervise() as supervisor:
            supervisor.start(program(TELL_AND_SLEEP))
            os.kill(os.getpid(), number)
            supervisor.wait(10)

    former = signal.getsignal(number)
    with pytest.raises(Stopped) as caught:
        run()

    assert caught.value.number == number
    assert owned_by(folder) == []
    assert signal.getsignal(number) == former


def test_a_terminal_that_went_away_stops_everything(program, folder):
    class Gone(StringIO):
        def write(self, _text):
            raise OSError(5, "Input/output error")

    def run():
        with Supervisor(data=folder, log=Log(Gone())) as supervisor:
            supervisor.start(program(TELL_AND_SLEEP))
            supervisor.wait(10)

    with pytest.raises(Stopped):
        run()

    assert owned_by(folder) == []


@pytest.mark.journey
def test_what_a_killed_supervisor_left_is_ended_at_the_next_start(folder, until):
    grandchild = "import os, time; os.fork() or os.setsid(); time.sleep(60)"
    code = f"""
        import os, sys
        from pathlib import Path
        from deploy.local.log import Log
        from deploy.local.processes import Program
        from deploy.local.supervisor import Supervisor

        data, command = Path({str(folder)!r}), [sys.executable, "-c", {grandchild!r}]
        with Supervisor(data=data, log=Log(sys.stdout)) as supervisor:
            supervisor.start(Program(name="x", command=command, folder=data, environment=os.environ))
            supervisor.wait(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT) as killed:
        until(lambda: len(owned_by(folder)) == 2)
        killed.kill()
    until(lambda: len(owned_by(folder)) == 1)  # the child went with its parent, the grandchild did not

    assert end_leftovers(folder) == 1
    assert owned_by(folder) == []


def test_a_terminal_sees_each_name_in_its_own_color(monkeypatch):
    class Terminal(StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    log = Log(stream)
    for name in ("web", "shop", "web"):
        log.line(name, "text")

    assert stream.getvalue().splitlines() == [
        "\033[36mweb       \033[0m | text",
        "\033[33mshop      \033[0m | text",
        "\033[36mweb       \033[0m | text",
    ]


def test_no_color_is_respected(monkeypatch):
    class Terminal(StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    Log(stream).line("web", "text")

    assert stream.getvalue() == "web        | text\n"


def test_leftovers_of_another_folder_are_spared(folder, program):
    other = folder / "other"
    with Supervisor(data=_made(other), log=Log(StringIO())) as supervisor:
        supervisor.start(program(TELL_AND_SLEEP))

        assert end_leftovers(folder) == 0
        assert [isinstance(process, psutil.Process) for process in owned_by(other)] == [True]


def _made(path):
    path.mkdir()
    return path
