"""`make run`: the whole product with its logs, until Ctrl-C."""

import os
import sys
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
    is_empty = env.flag("EMPTY", default=False)
    surroundings = {**product.environment(data), "DEMO": "0" if is_empty else "1"}
    shop, admin = product.start_shop(supervisor, data=data, surroundings=surroundings), _Administrator(data)
    connect = (*shop.connect, "--master")  # else nobody reads its products
    history = [] if is_empty else [("history",)]
    readings = [("shoptet_sync", what, "--shop", "all") for what in ("orders", "products", "stocks")]
    commands = [admin.create, connect, *history, *readings]
    if not (env.ROOT / ".static").exists() or not env.flag("DEBUG", default=True):
        commands.append(("collectstatic", "--noinput", "-v", "0"))
    known = {**surroundings, **shop.surroundings, **admin.surroundings}
    product.prepare(supervisor, *commands, surroundings=known)
    trickle = [] if is_empty else [product.traffic(surroundings)]
    supervisor.start(*product.workers(surroundings), product.web(port, surroundings=surroundings), *trickle)
    return _welcome(f"http://127.0.0.1:{port}/", login=admin.login, data=data, shop=shop.url)


class _Administrator:
    """The user `admin`, whose password is the environment's or is kept in the data folder."""

    def __init__(self, data: Path) -> None:
        file, given = data / "admin-password", os.environ.get("BACKROOM_ADMIN_PASSWORD")
        password = given or folder.kept_secret(file)
        self.surroundings = {"BACKROOM_ADMIN_PASSWORD": password}
        self.create = ("accounts_create_operator", *(["--set-password"] if given else []))
        self.login = (
            "admin, with the password in BACKROOM_ADMIN_PASSWORD" if given else f"admin / {password}   (kept in {file})"
        )


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
