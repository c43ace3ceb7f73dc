"""The command line: what the user typed becomes a Request, or one line that says what is wrong with it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from lib import registry
from lib.errors import StorageFailed, UsageError, nearest
from lib.request import End, Request

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent
PROGRAM = "scripts/run.sh"
DONE, BUG, WRONG, TOO_MANY_FAILED, INCOMPLETE = 0, 1, 2, 3, 4


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def build_parser() -> argparse.ArgumentParser:
    """One subcommand for each job, and those that look at what a job has left behind."""
    parser = _Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="Run a job over any number of files, on this machine or on a cluster.",
        epilog="Exit codes: 0 done; 2 wrong usage, config, input or environment; 3 done, but more failed records than "
        "run.max_failed_ratio; 4 incomplete, the same command resumes; 1 a bug of ours.",
    )
    parser.add_argument("--list", action="store_true", help="list the jobs")
    commands = parser.add_subparsers(dest="command", metavar="JOB | status | attach | verify | report | env | doctor")
    for name in registry.names(FOLDER):
        summary = registry.summary(FOLDER, name).replace("%", "%%")
        add_run_options(commands.add_parser(name, help=summary, description=summary, allow_abbrev=False))
    for name, (help_text, _) in OUTPUT_COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        command.add_argument("output", metavar="OUT", nargs="+" if name == "report" else None)
    for name, (help_text, _) in SHIP_COMMANDS.items():  # their own parsers take what follows
        commands.add_parser(name, help=help_text, add_help=False)
    return parser


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options of every job."""
    add = parser.add_argument
    add("--describe", action="store_true", help="print columns, config keys and defaults, and do nothing")
    add("--input", action="append", default=[], metavar="URI", help="file, folder, glob or @LIST; without: a sample")
    add("--output", metavar="URI", help="folder for the table (default: out/JOB)")
    add("--source", metavar="KIND", help="read every input as this kind, whatever it is called")
    add("--config", type=Path, metavar="FILE", help="YAML laid over conf/JOB.yaml")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="one config key, e.g. run.split_bytes=1000000")
    add("--limit", type=int, metavar="N", help="stop after N records")
    add("--master", default="local[*]", help="local[N], yarn or spark://HOST:PORT (default: local[*])")
    add("--deploy-mode", choices=("client", "cluster"), default="client", help="where the driver runs")
    add("--executors", type=int, metavar="N", help="on a cluster: how many")
    add("--cores", type=int, metavar="N", help="on a cluster: splits at work in each executor")
    add("--memory", metavar="SIZE", help="on a cluster: of an executor's JVM; what Python needs is added")
    add("--queue", metavar="NAME", help="of YARN")
    add("--detach", action="store_true", help="with --deploy-mode cluster: leave once the run is at work")
    add("--spark-conf", action="append", default=[], metavar="K=V", help="one Spark setting")
    add("--retry-failed", action="store_true", help="do the failed records of a finished run again")
    add("--overwrite", action="store_true", help="delete an output of this job first")
    add("--max-seconds", type=float, metavar="N", help="stop then, in good order; the same command resumes")
    add("--dry-run", action="store_true", help="print what would be done, and do nothing")
    add("--quiet", action="store_true", help="no progress")


def main(args: Sequence[str] | None = None) -> int:
    """Do what the arguments (default: the process's own) say, and return the exit code."""
    try:
        return _dispatch(list(sys.argv[1:] if args is None else args))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except StorageFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return INCOMPLETE
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return INCOMPLETE
    except BrokenPipeError:  # `--list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except Exception:
        traceback.print_exc()
        print("error: this is a bug of ours; please report it with the lines above", file=sys.stderr)
        return BUG


def _dispatch(args: list[str]) -> int:
    name = args[0] if args else ""
    known = [*registry.names(FOLDER), *OUTPUT_COMMANDS, *SHIP_COMMANDS]
    if name and not name.startswith("-") and name not in known:
        raise UsageError(f"no job or command {name}{nearest(name, known)}; {PROGRAM} --list shows the jobs")
    if name in SHIP_COMMANDS:
        return SHIP_COMMANDS[name][1](args[1:])
    options = build_parser().parse_args(args)
    if options.list:
        return _list()
    if options.command is None:
        build_parser().print_help(sys.stderr)
        return WRONG
    if name in OUTPUT_COMMANDS:
        return _ask(name, options)
    return _describe(options) if options.describe else _run(options, shlex.join([PROGRAM, *args]))


def _ask(name: str, options: argparse.Namespace) -> int:
    try:
        return OUTPUT_COMMANDS[name][1](options)
    except OSError as error:
        if error.errno is None:  # a library's, not the system's
            raise
        raise UsageError(f"{error.filename or options.output}: {error.strerror}") from error


def _list() -> int:
    jobs = registry.names(FOLDER)
    width = max(map(len, jobs), default=0)
    for name in jobs:
        print(f"{name:<{width}}  {registry.summary(FOLDER, name)}")
    return DONE


def _describe(options: argparse.Namespace) -> int:
    from lib.describe import describe

    print(describe(registry.load("jobs", options.command)))
    return DONE


def _run(options: argparse.Namespace, command: str) -> int:
    from lib.door import build_request

    job = registry.load("jobs", options.command)
    request = build_request(job, options, PROJECT / "samples", command)
    if options.dry_run:
        return _show(request)
    from lib.closing import closing
    from lib.job import Task

    execute = _runner(request.master)
    with _only_the_answer_on_stdout() as answer:
        end = execute(request)
        if not request.quiet and "records" in end.summary and not isinstance(job, Task):
            print(closing(end, request, sample=not options.input), file=sys.stderr)
        _tell(answer, end)
    return end.exit_code


def _tell(answer: IO[str], end: End) -> None:
    try:
        answer.write(json.dumps(end.summary, ensure_ascii=False) + "\n")
        answer.flush()
    except BrokenPipeError:  # nobody reads it; the exit code still counts
        os.dup2(os.open(os.devnull, os.O_WRONLY), answer.fileno())


def _runner(master: str) -> Callable[[Request], End]:
    """What brings a request to its end: this process, or an application on YARN."""
    if master == "yarn":
        from ship.submit import submit

        return submit
    os.environ.pop("SPARK_HOME", None)  # the cluster's, perhaps of another version than our pyspark
    from lib.spark.run import execute

    return execute


def _show(request: Request) -> int:
    if request.master == "yarn":
        from ship.submit import steps

        print(steps(request))
        return DONE
    import msgspec
    import yaml

    print(yaml.safe_dump(msgspec.to_builtins(request), sort_keys=False, allow_unicode=True), end="")
    return DONE


@contextmanager
def _only_the_answer_on_stdout() -> Iterator[IO[str]]:
    """Send to stderr whatever the JVM, a library or a kernel prints meanwhile."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as answer:
            yield answer
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _call(module: str, function: str) -> Callable[[Any], int]:
    """Import only once the command is given."""

    def call(argument: Any) -> int:
        code: int = getattr(importlib.import_module(module), function)(argument)
        return code

    return call


# What can be said of a run's folder, and who says it.
OUTPUT_COMMANDS: dict[str, tuple[str, Callable[[Any], int]]] = {
    "status": ("how far a run is", _call("lib.status", "status")),
    "attach": ("follow a run to its end, as the command that began it would", _call("lib.status", "attach")),
    "verify": ("prove receipts against plan, footers and data", _call("lib.status", "verify")),
    "report": ("one page about one run or several", _call("lib.report", "report")),
}
SHIP_COMMANDS: dict[str, tuple[str, Callable[[Any], int]]] = {
    "env": ("build the environment archive for a cluster", _call("ship.environment", "main")),
    "doctor": ("check this machine and the cluster", _call("ship.doctor", "main")),
}

if __name__ == "__main__":
    sys.exit(main())
