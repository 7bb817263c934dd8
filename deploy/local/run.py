"""`make run`: the whole product with its logs, until Ctrl-C."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from config import env
from deploy.local import folder, product, servers
from deploy.local.log import Log
from deploy.local.supervisor import Stopped, Supervisor

FIRST_WORDS_SECONDS = 2.5  # the workers' first lines would push the address off the screen


def run() -> int:
    """Run the product until it is asked to stop; return 0 then. Raises UnableToStart.

    The next run goes on with the same data.
    """
    data, port, log = env.data_dir(), product.web_port(), Log(sys.stdout)
    try:
        with servers.running(data=data, log=log) as supervisor:
            welcome = _start(supervisor, data=data, port=port)
            supervisor.wait(FIRST_WORDS_SECONDS)
            log.say(welcome)
            supervisor.watch(lambda: False, seconds=3600)
    except Stopped:
        log.say("Stopped; the next run goes on with the same data.")
    return 0


def _start(supervisor: Supervisor, *, data: Path, port: int) -> str:
    """Start everything; return what a newcomer wants to know."""
    surroundings = product.environment(data)
    product.prepare(supervisor, surroundings=surroundings)
    if not (env.ROOT / ".static").exists() or not env.flag("DEBUG", default=True):
        supervisor.run(product.manage("collectstatic", "--noinput", "-v", "0", surroundings=surroundings))
    login = _make_operator(supervisor, data=data, surroundings=surroundings)
    shop = product.start_shop(supervisor, data=data, surroundings=surroundings)
    supervisor.run(product.manage("shoptet_sync", "orders", "--shop", "all", surroundings=surroundings))
    supervisor.start(*product.workers(surroundings), product.web(port, surroundings=surroundings))
    return _welcome(f"http://127.0.0.1:{port}/", login=login, data=data, shop=shop)


def _make_operator(supervisor: Supervisor, *, data: Path, surroundings: Mapping[str, str]) -> str:
    """Make the user `admin`; return how to log in."""
    if os.environ.get("BACKROOM_ADMIN_PASSWORD"):
        command = product.manage("accounts_create_operator", "--set-password", surroundings=surroundings)
        supervisor.run(command)
        return "admin, with the password in BACKROOM_ADMIN_PASSWORD"
    file = data / "admin-password"
    known = {**surroundings, "BACKROOM_ADMIN_PASSWORD": folder.kept_secret(file)}
    supervisor.run(product.manage("accounts_create_operator", surroundings=known))
    return f"admin / {folder.kept_secret(file)}   (kept in {file})"


def _welcome(url: str, *, login: str, data: Path, shop: str) -> str:
    rows = {
        "Open": url,
        "Log in": login,
        "Data": f"{data}   (delete it to start afresh)",
        "Shop": f"{shop}   (simulated; its orders are being read, look at the execution log)",
        "Stop": "Ctrl-C",
    }
    lines = [f"  {name:<8}{value}" for name, value in rows.items()]
    return "\n".join(["", "Backroom is running.", "", *lines, ""])
