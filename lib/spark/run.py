"""A run from claim to proof: what is not there yet is done, what is there is counted."""

from __future__ import annotations

import errno
import importlib
import json
import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice, tee
from typing import Any

import msgspec
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lib import accounts, planning
from lib.child import Work
from lib.errors import GONE, NotLoggedIn, UsageError, storage_failure
from lib.guard import SplitFailed
from lib.job import Job
from lib.ledger import FORMAT, Lease, Ledger
from lib.output import Output
from lib.progress import Progress
from lib.receipt import Receipt, prove
from lib.records import Status
from lib.report import render
from lib.request import End, Request
from lib.rows import written_schema
from lib.sources import Source, source_type
from lib.sources.inputs import expand_inputs
from lib.spark import session
from lib.spark.scatter import scatter
from lib.spark.task import ANSWER, OutputLost, ProbeTask, SplitTask, origin
from lib.split import Split
from lib.storage import Stat
from lib.tasks import execute_task

DONE, BUG, WRONG, TOO_MANY_FAILED, INCOMPLETE = 0, 1, 2, 3, 4
NO_PYTHON = re.compile(r"(?:Error from python worker:|java.io.IOException:)\s+((?:Cannot run program )?\S*python\S*.*)")
# What a worker's Python says that misses a module, or a library that a module needs.
NO_IMPORT = re.compile(r"^(?:ImportError|ModuleNotFoundError): .*", re.MULTILINE)
NODE = re.compile(r"\(TID \d+\) \((\S+) executor")
OUTPUT_LOST = re.compile(rf"{OutputLost.__name__}: (.*)")
SPLIT_FAILED = re.compile(rf"{SplitFailed.__name__}: (.*)")
# The last line of a traceback of Python's, inside what the JVM says.
PYTHON_SAYS = re.compile(r"^(?!org\.|java\.|py4j\.)[\w.]+: (?!Traceback).*", re.MULTILINE)
FAILED_TASK = re.compile(r"Task (\d+) in stage \S+ failed \d+ times")


def _plain(value: Any) -> Any:
    """A dataclass as JSON values, its defaults among them."""
    return msgspec.to_builtins(asdict(value))


def _complain(text: str) -> None:
    """What --quiet does not keep back."""
    print(text, file=sys.stderr, flush=True)


def execute(request: Request) -> End:
    """Bring the output of a request to completion; the same request again resumes.

    Raises UsageError, before anything is written, where config, input or output are wrong; StorageFailed.
    """
    module = importlib.import_module(request.job)
    try:
        if hasattr(module, "TASK"):
            return execute_task(module.TASK, request, scatter(request))
        return Run(request).run()
    except NotLoggedIn:
        raise
    except OSError as error:
        if failure := storage_failure(error):
            raise failure from error
        raise


@dataclass
class Run:
    """One run of one job in one folder."""

    request: Request
    answers: dict[str, Receipt] = field(default_factory=dict)  # of splits done by this run
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)  # what tasks say of splits that cannot be done
    todo: set[str] = field(default_factory=set)  # ids of the splits that this run was to do
    stopping: str = ""  # why no new split is started
    forsaken: bool = False  # by Spark, and not by who started the run
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.request.output)
        self.lease = Lease(self.ledger)

    @cached_property
    def job(self) -> Job[Any]:
        """The request's job."""
        found: Job[Any] = importlib.import_module(self.request.job).JOB
        return found

    @cached_property
    def config(self) -> Any:
        """The job's own config."""
        return msgspec.convert(self.request.config, self.job.config_type)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """How each kind of input is read."""
        return {kind: msgspec.convert(values, source_type(kind)) for kind, values in self.request.sources.items()}

    @cached_property
    def _looked_up(self) -> Iterator[Stat]:
        return tee(expand_inputs(self.request.inputs, self.request.run.paths_prefix), 1)[0]

    @property
    def files(self) -> Iterator[Stat]:
        """The inputs' files from the first on; each is looked up once, when it is first asked for."""
        return copy(self._looked_up)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the rows depend on."""
        return {
            "format": FORMAT,
            "job": self.job.name,
            "limit": self.request.limit,
            "columns": {f.name: str(f.type) for f in written_schema(self.job, self.request.run.columns)},
            "config": _plain(self.config),
            "sources": {kind: _plain(source) for kind, source in self.sources.items()},
        }

    def run(self) -> End:
        """Claim, plan, do, prove."""
        self._claim()
        splits = self._plan()
        todo = self._todo(splits)
        earlier = self.ledger.load("_report.json")
        if not todo and self.ledger.marked_done() and earlier and earlier["splits"]["planned"] == len(splits):
            self._say(f"{self.request.output}: all {len(splits)} splits are done and proven; nothing to do")
            return End(self._verdict(earlier, complete=True)[1], accounts.summary(earlier))
        self.ledger.sweep()
        if other := self.lease.take():
            self._say(f"run {other['run']} on {other['host']} (pid {other['pid']}) seems to work here too: harmless")
        self.ledger.unmark_done()
        state, code = "failed", BUG
        try:
            self._do(splits, todo)
            while self._wants_more():
                splits = self.ledger.splits()
                self._do(splits, self._todo(splits))
            report = self._conclude(splits)
            state, code = report["state"], report["exit_code"]
            return End(code, accounts.summary(report), final=not self.forsaken)
        except KeyboardInterrupt:
            state, code = "stopped", INCOMPLETE
            raise
        except OSError as error:
            if failure := storage_failure(error):
                state, code = "incomplete", INCOMPLETE
                raise failure from error
            raise
        except UsageError:
            code = WRONG
            raise
        finally:
            with suppress(OSError):  # nothing may hide how it ended
                self.lease.release(state, code)

    def _claim(self) -> None:
        """Make the output ours. Raises UsageError where inputs or output are wrong, before it is touched."""
        with self._folder_of_output():
            anew = self.request.overwrite or self.ledger.identity() is None
        if anew:
            looked_at = islice(self.files, self.request.limit)
            planning.check(self.sources, looked_at, self.request.source, thorough=self.request.overwrite)
        with self._folder_of_output():
            self.ledger.claim(self.identity, self.request.overwrite)

    @contextmanager
    def _folder_of_output(self) -> Iterator[None]:
        try:
            yield
        except GONE as error:
            raise UsageError(f"{self.request.output}: no folder can be made there: {error.strerror}") from None

    def _plan(self) -> list[Split]:
        request = self.request
        if request.limit is None:
            cores = session.cores(request.master)
            size = request.run.split_bytes
            files = list(self.files)
            return planning.extend(self.ledger, self.sources, request.inputs, files, request.source, size, cores)
        if not self.ledger.plans():
            self._plan_one(request.limit)
        return self.ledger.splits()

    def _plan_one(self, records: int) -> bool:
        return planning.extend_by_one(
            self.ledger, self.sources, self.request.inputs, self.files, self.request.source, records
        )

    def _wants_more(self) -> bool:
        """With --limit: plan one split more, if those so far gave too few records and there is more input."""
        request = self.request
        if request.limit is None or self.stopping or self._todo(splits := self.ledger.splits()):
            return False
        left = request.limit - sum(r.rows for r in self.ledger.receipts(s.id for s in splits).values())
        return left > 0 and self._plan_one(left)

    def _todo(self, splits: Sequence[Split]) -> list[Split]:
        done = self.ledger.done()
        todo = [split for split in splits if split.id not in done]
        if self.request.retry_failed and not self.answers:
            receipts = self.ledger.receipts(split.id for split in splits if split.id in done)
            todo += [split for split in splits if split.id in done and Status.FAILED in receipts[split.id].counts]
        return todo

    def _do(self, splits: Sequence[Split], todo: Sequence[Split]) -> None:
        if not todo:
            return
        self.todo.update(split.id for split in todo)
        self._say(f"{self.job.name}: {len(todo)} of {len(splits)} splits to do -> {self.request.output}")
        spark = session.get_session(f"fireball {self.job.name}", self.request)
        self.lease.say(application=spark.sparkContext.applicationId)
        with self._stoppable(), Progress(self.ledger, self.lease, splits, todo, self.request.quiet):
            self._probe(spark, todo[0])
            self.lease.say(set_up=True)
            while (left := self._left(todo)) and not self.stopping:
                self._round(spark, left)
        if self.stopping:  # what the JVM says of workers that were ended is no news
            with suppress(Py4JError, ConnectionError):
                spark.sparkContext.setLogLevel("OFF")

    def _left(self, todo: Sequence[Split]) -> list[Split]:
        """What is neither done by this run nor given up."""
        return [split for split in todo if split.id not in self.answers and split.id not in self.failures]

    def _probe(self, spark: SparkSession, split: Split) -> None:
        work = Work(self.job, self.config, self.sources[split.kind], split, self.request.run)
        task = ProbeTask(work, self.request.output, self.lease.run, origin())
        try:
            said = spark.range(1, numPartitions=1).mapInArrow(task, ANSWER).collect()[0].answer
        except (PySparkException, Py4JError) as error:
            if found := NO_PYTHON.search(str(error)):
                raise UsageError(f"Python does not start on the executors: {found[1].strip()}") from None
            if missing := NO_IMPORT.findall(str(error)):
                where = NODE.search(str(error))
                node = where[1] if where else "the executors"
                raise UsageError(f"{self.job.name} cannot be imported on {node}: {missing[-1]}") from None
            if failed := SPLIT_FAILED.search(str(error)):
                raise OSError(errno.EIO, failed[1]) from None
            raise
        if said:
            raise UsageError(f"{self.job.name} cannot be set up on the executors: {said}")

    def _round(self, spark: SparkSession, splits: Sequence[Split]) -> None:
        """One Spark job over the splits; where Spark gives it up, what was done stays done."""
        task = SplitTask(
            self.job, self.config, self.sources, self.request.run, self.request.output, self.lease.run,
            self.lease.stop_flag, [msgspec.json.encode(split) for split in splits], self.request.retry_failed,
            session.attempts(spark),
        )  # fmt: skip
        try:
            rows = spark.range(len(splits), numPartitions=len(splits)).mapInArrow(task, ANSWER).collect()
        except (PySparkException, Py4JError, ConnectionError) as error:  # the last: the JVM is gone
            self._gave_up(splits, str(error))
            rows = []
        for answer in (json.loads(row.answer) for row in rows):
            if "receipt" in answer:
                receipt = Receipt.load(json.dumps(answer["receipt"]).encode())
                self.answers[receipt.split] = receipt
            elif "stopped" in answer:  # by who submitted an application: its driver gets no signal
                self.stopping = self.stopping or "stopped"
            elif "error" in answer:
                self.failures[answer["split"]] = answer
                _complain(f"split {answer['split']} failed ({answer['kind']}): {answer['error']}")

    def _gave_up(self, splits: Sequence[Split], message: str) -> None:
        """Where one task brought the Spark job down: give its split up, keep what is done, so that the others go on."""
        lines = PYTHON_SAYS.findall(message)[-1:] or [line for line in message.splitlines() if "failed" in line]
        reason = lines[0] if lines else message
        if lost := OUTPUT_LOST.search(message):
            self.stopping = reason = f"the output cannot be written to: {lost[1]}"
        elif culprit := FAILED_TASK.search(message):
            split = splits[int(culprit[1])].id
            self.failures[split] = {"error": f"its Spark task failed again and again: {reason[:500]}"}
        else:
            self.stopping, self.forsaken = f"Spark gave up: {reason[:500]}", True
        _complain(f"Spark gave the job up: {reason[:500]}")
        if not self.request.retry_failed:  # what was done before is no sign there
            self.answers |= self.ledger.receipts(self.ledger.done() & {split.id for split in splits})

    def _conclude(self, splits: Sequence[Split]) -> dict[str, Any]:
        """Prove what is there, report it, and mark a whole run as such."""
        done = self.ledger.done()
        earlier = self.ledger.receipts(s.id for s in splits if s.id in done and s.id not in self.answers)
        receipts = {s.id: found for s in splits if (found := self.answers.get(s.id) or earlier.get(s.id))}
        wrong = prove(splits, receipts, {kind: source.unit for kind, source in self.sources.items()})
        report = accounts.report(self.identity, splits, receipts, wrong)
        if not wrong and self.job.finish is not None:
            self.job.finish(Output(self.request.output), self.config)
        # A split that is there, and was to be done again, is not finished before it is.
        left = self.todo - self.answers.keys() if self.request.retry_failed else set()
        unfinished = [s for s in splits if s.id not in receipts or s.id in left]
        state, code = self._verdict(report, complete=not unfinished)
        if code == BUG:
            _complain(f"error: the proof failed, do not use this output: {wrong[0]}")
        report |= {
            "state": state,
            "exit_code": code,
            "output": self.request.output,
            "report": f"{self.request.output}/_report.html",
            "started": self.lease.state["started"],
            "seconds": round(time.monotonic() - self.began, 3),
            "unfinished": [
                {
                    "split": s.id,
                    "inputs": [p.uri for p in s.pieces][:3],
                    "error": self.failures.get(s.id, {}).get("error"),
                }
                for s in unfinished[: accounts.LISTED]
            ],
            "records_now": sum(receipt.rows for receipt in self.answers.values()),
            "next": self._next(state, code),
        }
        self.ledger.write("_report.json", accounts.to_json(report))
        self.ledger.write("_report.html", render(report).encode())
        if state == "done":
            self.ledger.mark_done()
        return report

    def _verdict(self, report: dict[str, Any], complete: bool) -> tuple[str, int]:
        if not complete:
            return ("stopped" if self.stopping else "incomplete"), INCOMPLETE
        if not report["proof"]["proven"]:
            return "unproven", BUG
        ratio = report["failed"] / max(report["records"], 1)
        return "done", TOO_MANY_FAILED if ratio > self.request.run.max_failed_ratio else DONE

    def _next(self, state: str, code: int) -> str:
        """What to type next; nothing where all is well."""
        again = self.request.command
        retries = "--retry-failed" in again.split()
        return again if state != "done" else f"{again} --retry-failed" if code and not retries else ""

    def _say(self, text: str) -> None:
        if not self.request.quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Once Ctrl-C, SIGTERM or the end of --max-seconds: no new split is started. Ctrl-C again: at once."""

        def stop(why: str) -> None:
            if self.stopping:
                logging.disable()  # py4j has a traceback to tell, of what is no error
                raise KeyboardInterrupt
            self.stopping = why
            self._say(f"{why}: no new split is started, those at work are finished; Ctrl-C again stops at once")
            self.lease.stop()

        def stop_in_time() -> None:
            if not self.stopping:
                stop("time is up (--max-seconds)")

        timer = threading.Timer(self.request.max_seconds or 1e9, stop_in_time)
        timer.daemon = True
        if self.request.max_seconds:
            timer.start()
        signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        before = {number: signal.signal(number, lambda *_: stop("interrupted")) for number in signals}
        try:
            with suppress(KeyboardInterrupt):
                yield
        finally:
            timer.cancel()
            logging.disable(logging.NOTSET)
            for number, handler in before.items():
                signal.signal(number, handler)
