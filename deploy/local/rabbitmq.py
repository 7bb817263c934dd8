"""A real RabbitMQ in the foreground, from Debian's package, on ports of its own of the loopback address."""

import json
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from deploy.local import folder
from deploy.local.processes import Program, UnableToStart

# The package's wrapper in the PATH becomes the user rabbitmq and writes where the system's own server does.
_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_USER = "backroom"
VHOSTS = 9  # "/0" for one process, the others for a test run's workers


def is_installed() -> bool:
    """Return whether this machine has a RabbitMQ server."""
    return _SCRIPT.exists() and shutil.which("epmd") is not None


def url(data: Path, *, vhost: int = 0) -> str:
    """Return the address of the RabbitMQ of `data`, made by `programs`; each `vhost` has queues of its own."""
    port = (data / "rabbitmq-port").read_text(encoding="ascii")
    password = folder.kept_secret(data / "rabbitmq-password")
    return f"amqp://{_USER}:{quote(password)}@127.0.0.1:{port}/{vhost}"


def programs(data: Path) -> list[Program]:
    """Return the server of `data`/rabbitmq and the name service that it wants beside it. Raises UnableToStart."""
    if not is_installed():
        raise UnableToStart("RabbitMQ is not installed. On Debian and Ubuntu: apt install rabbitmq-server")
    home = data / "rabbitmq"
    home.mkdir(mode=0o700, exist_ok=True)
    port = folder.kept_port(data / "rabbitmq-port")
    names, distribution = (folder.kept_port(data / f"rabbitmq-{name}-port") for name in ("names", "cluster"))
    _configure(home, data=data, port=port)
    surroundings = _environment(home, names=names, distribution=distribution)
    name_service = Program(
        name="epmd",
        command=[shutil.which("epmd") or "epmd"],  # in the foreground; RabbitMQ's own would outlive everybody
        folder=home,
        environment=surroundings,
        stage=0,
        is_ready=lambda: _listens(names),
    )
    server = Program(
        name="rabbitmq",
        command=[str(_SCRIPT)],
        folder=home,
        environment=surroundings,
        stage=1,
        is_ready=lambda: _listens(port),
        stop_seconds=20,
    )
    return [name_service, server]


def _configure(home: Path, *, data: Path, port: int) -> None:
    lines = {
        "listeners.tcp.1": f"127.0.0.1:{port}",
        "log.console": "true",
        "log.console.level": "warning",
        "log.file": "false",
        "load_definitions": str(home / "definitions.json"),
    }
    folder.replace(home / "rabbitmq.conf", "".join(f"{name} = {value}\n" for name, value in lines.items()))
    folder.replace(home / "plugins", "[].\n")
    vhosts = [str(number) for number in range(VHOSTS)]
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "users": [{"name": _USER, "password": folder.kept_secret(data / "rabbitmq-password"), "tags": ""}],
        "vhosts": [{"name": name} for name in vhosts],
        "permissions": [{"user": _USER, "vhost": name, **everything} for name in vhosts],
    }
    folder.replace(home / "definitions.json", json.dumps(definitions))


def _environment(home: Path, *, names: int, distribution: int) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
    return {
        **own,
        "HOME": str(home),  # Erlang keeps its cookie there
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_NODENAME": "backroom@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the server instead of waiting for it
    }


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
