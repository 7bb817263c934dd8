"""`python -m deploy.local`: the whole product, its demonstration, or its servers alone."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from config import env
from deploy.local import folder, servers
from deploy.local.log import Log
from deploy.local.processes import UnableToStart, end_with_parent
from deploy.local.supervisor import Stopped, Supervisor


def main(arguments: list[str]) -> int:
    """Do what the command line says; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.action(options)
    except UnableToStart as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    alone = actions.add_parser("servers", help="run a command beside PostgreSQL and Redis, then stop them")
    alone.add_argument("--ephemeral", action="store_true", help="quick and forgetful, for tests")
    alone.add_argument("--rabbitmq", action="store_true", help="RabbitMQ as the broker, from Debian's rabbitmq-server")
    alone.add_argument("command", nargs="+", metavar="CMD", help="after --, with its arguments")
    alone.set_defaults(action=_servers)
    run = actions.add_parser("run", help="the whole product with its logs, until Ctrl-C")
    run.set_defaults(action=_run)
    demo = actions.add_parser("demo", help="import a shop's orders and check every figure")
    demo.set_defaults(action=_demo)
    return parser


def _run(_: argparse.Namespace) -> int:
    from deploy.local.run import run  # not above: the servers alone start without Django

    return run()


def _demo(_: argparse.Namespace) -> int:
    from deploy.local.demo import demo

    return demo()


def _servers(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        data = stack.enter_context(folder.temporary()) if options.ephemeral else env.data_dir()
        folder.make(data)
        stream = stack.enter_context((data / "servers.log").open("a", encoding="utf-8"))
        running = servers.running(
            data=data, log=Log(stream), ephemeral=options.ephemeral, with_rabbitmq=options.rabbitmq
        )
        try:
            supervisor = stack.enter_context(running)
        except Stopped as stop:
            return 128 + stop.number
        surroundings = servers.environment(data, with_rabbitmq=options.rabbitmq)
        return _run_beside(supervisor, options.command, surroundings=surroundings)


def _run_beside(supervisor: Supervisor, command: list[str], *, surroundings: Mapping[str, str]) -> int:
    """Run `command` on our terminal; return its exit code as a shell would."""
    parent = os.getpid()
    try:
        process = subprocess.Popen(  # noqa: S603 -- running what the caller typed is the purpose
            command,
            env=surroundings,
            preexec_fn=lambda: end_with_parent(signal.SIGTERM, parent=parent),  # noqa: PLW1509 -- one thread
        )
    except OSError as error:
        raise UnableToStart(f"Cannot run {command[0]}: {error.strerror}.") from error
    while process.poll() is None:
        try:
            supervisor.watch(lambda: process.poll() is not None)
        except Stopped as stop:
            # A terminal's Ctrl-C reaches the command by itself.
            if stop.number != signal.SIGINT or not sys.stdin.isatty():
                process.send_signal(stop.number)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
