"""From a request to a running application on YARN: one list of settings, whichever way it is started or shown."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from lib import hdfs, kerberos, storage
from lib.errors import NotLoggedIn, UsageError
from lib.request import End, Request
from lib.secrecy import SECRET
from ship import aftermath, environment, sparks, ticket
from ship.code import make_zip
from ship.private import private_folder
from ship.watch import Watch, say, stopped_by

PROJECT = Path(__file__).resolve().parent.parent
ENTRY = PROJECT / "lib" / "spark" / "main.py"
YARN_CONF = PROJECT / "conf" / "spark" / "yarn.conf"
# A worker, its forkserver and its child with a job's libraries loaded, measured: 3 x 130 MB.
BASE_MB = 400
DONE, BUG, WRONG, INCOMPLETE = 0, 1, 2, 4
AGAIN = "the same command goes on from what is committed"
END_NAME = re.compile(r"[0-9a-f]{32}\.json")
KEPT_SECONDS = 7 * 86400  # how a run ended, where nobody waited for it
# What a shell may hold that leads the driver or the executors to another Python, Spark or code.
MISLEADING = (
    *("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "PYSPARK_DRIVER_PYTHON_OPTS", "PYSPARK_SUBMIT_ARGS"),
    *("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV"),
)
SHIPPED = ("spark.submit.pyFiles", "spark.yarn.dist.archives", "spark.yarn.dist.files")
# Settings that lead astray too: dropped where the cluster's defaults have them, refused where a user gives them.
ASTRAY = re.compile(
    r"spark\.(pyspark\.(driver\.)?python|(executorEnv|yarn\.appMasterEnv)\.(PYSPARK_(DRIVER_)?PYTHON|PYTHON(PATH|HOME)))"
)


@dataclass(frozen=True)
class Submission:
    """Everything that starting an application takes, worked out before anything is built, written or started."""

    request: Request
    spark: sparks.Spark
    recipe: environment.Recipe
    settings: dict[str, str]
    root: str  # of archives, a URI
    cache: Path = field(default_factory=environment.default_cache)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def job(self) -> str:
        """Its name."""
        return self.request.job.rsplit(".", 1)[-1]

    @property
    def archive(self) -> str:
        """The environment's URI."""
        return f"{self.root}/{self.local_archive.name}"

    @property
    def prefix(self) -> Path | None:
        """An existing conda environment to ship instead of environment.yml's."""
        given = self.settings.get("spark.fireball.prefix")
        return Path(given) if given else None

    @property
    def local_archive(self) -> Path:
        """The environment's archive on this machine, made or not."""
        return self.cache / environment.archive_name(self.recipe, self.prefix)

    @property
    def end(self) -> str:
        """Where the driver says how it ended."""
        return f"{self.home}/ends/{self.id}.json"

    @property
    def home(self) -> str:
        """A folder of who submits: `root` may be a colleague's, and closed for writing."""
        return self.settings["spark.fireball.home"]

    @property
    def in_cluster(self) -> bool:
        """Whether the driver runs there too."""
        return self.request.deploy_mode == "cluster"


def prepare(request: Request) -> Submission:
    """Work out a submission. Raises UsageError for whatever would fail later."""
    if not os.environ.get("HADOOP_CONF_DIR"):  # YARN_CONF_DIR is Spark's alone: HDFS and Kerberos would be missed
        raise UsageError("--master yarn needs HADOOP_CONF_DIR: the folder of the cluster's core-site.xml")
    if astray := next(filter(ASTRAY.fullmatch, request.spark_conf), None):
        raise UsageError(f"--spark-conf {astray}: the Python there is the shipped one; name another by environment.yml")
    spark = sparks.find()
    defaults = spark.defaults()
    kerberos.log_in(defaults | request.spark_conf)
    kerberos.check(hdfs.core_site())
    theirs = {key: value for key, value in defaults.items() if not ASTRAY.fullmatch(key)}
    settings = _with_memory(theirs | sparks.read_conf(YARN_CONF) | request.spark_conf, request)
    for key in ("spark.fireball.root", "spark.fireball.home"):  # Spark takes them too
        settings[key] = hdfs.qualified(settings[key].replace("{user}", _user())).rstrip("/")
    for key in kerberos.SETTINGS:  # not for Spark: ship/ticket.py
        settings.pop(key, None)
    recipe = environment.read_recipe(PROJECT / "environment.yml", PROJECT / "requirements.lock")
    return Submission(request, spark, recipe, settings, settings["spark.fireball.root"])


def _user() -> str:
    """Who we are on HDFS; where it is secured, HADOOP_USER_NAME only says what it calls our principal."""
    named = os.environ.get("HADOOP_PROXY_USER") or os.environ.get("HADOOP_USER_NAME")
    return named or (kerberos.user() if kerberos.is_required(hdfs.core_site()) else "") or getpass.getuser()


def _with_memory(settings: Mapping[str, str], request: Request) -> dict[str, str]:
    """Leave room for what Python may take; a limit that is too small kills containers, not records."""
    if not settings["spark.executor.cores"].isdecimal():
        raise UsageError(f"spark.executor.cores {settings['spark.executor.cores']}: expected a whole number")
    cores = int(settings["spark.executor.cores"])
    needed = cores * (BASE_MB + request.run.record_memory_mb)
    given = settings.get("spark.executor.memoryOverhead")
    if given is None:
        return {**settings, "spark.executor.memoryOverhead": f"{needed}m"}
    if sparks.megabytes(given) < needed:
        raise UsageError(
            f"spark.executor.memoryOverhead is {given}, but {cores} cores x ({BASE_MB} MB + run.record_memory_mb "
            f"{request.run.record_memory_mb}) take {needed} MB: raise it, or lower spark.executor.cores or "
            "run.record_memory_mb"
        )
    return dict(settings)


def settings_of(submission: Submission, code: str, request_file: str, driver_python: str) -> dict[str, str]:
    """The Spark settings, all of them: for the properties file, and for what --dry-run shows."""
    request = submission.request
    found = {
        "spark.master": "yarn",
        "spark.submit.deployMode": request.deploy_mode,
        "spark.app.name": f"fireball {submission.job}",
        "spark.submit.pyFiles": code,
        "spark.yarn.dist.archives": f"{submission.archive}#environment",
        "spark.pyspark.python": "./environment/bin/python",
        # Children import from the zip too.
        "spark.executorEnv.PYTHONNOUSERSITE": "1",
        # Without Kerberos, tasks would write as whoever the NodeManager runs as.
        "spark.executorEnv.HADOOP_USER_NAME": _user(),
        "spark.yarn.appMasterEnv.HADOOP_USER_NAME": _user(),
    }
    if "spark.yarn.stagingDir" not in submission.settings:  # Spark's default is the user's home, which may not be there
        found["spark.yarn.stagingDir"] = submission.home
    if submission.in_cluster:
        found |= {
            "spark.yarn.dist.files": request_file,
            "spark.pyspark.driver.python": "./environment/bin/python",
            "spark.yarn.appMasterEnv.PYTHONNOUSERSITE": "1",
        }
    else:  # ./environment is nowhere on this machine
        found["spark.pyspark.driver.python"] = driver_python
    if not {"spark.yarn.jars", "spark.yarn.archive"} & submission.settings.keys():
        found["spark.yarn.archive"] = f"{submission.root}/{submission.spark.archive_name}"
    return submission.settings | {key: _with_users(key, value, request) for key, value in found.items()}


def _with_users(key: str, value: str, request: Request) -> str:
    """What users ship of their own comes along."""
    given = request.spark_conf.get(key) if key in SHIPPED else None
    return f"{value},{given}" if given else value


def steps(request: Request) -> str:
    """What a run would do, as commands to paste; secrets are not shown."""
    submission = prepare(request)
    local = submission.local_archive
    prefix = ["--prefix", str(submission.prefix)] if submission.prefix else []
    python = str(environment.folder_of(local) / "bin" / "python")
    settings = settings_of(submission, "code.zip", "request.json", python)
    confs = [f"--conf={key}={'***' if SECRET.search(key) else value}" for key, value in sorted(settings.items())]
    command = [str(submission.spark.submit), *confs, str(ENTRY), "request.json", submission.end]
    lines = [
        *kerberos.to_paste(),
        "# 1. the environment, unless it is there: " + str(local),
        shlex.join(["scripts/run.sh", "env", "build", *prefix]),
        "# 2. on the cluster, unless it is there",
        shlex.join(["hdfs", "dfs", "-put", str(local), submission.archive]),
        f"# 3. ./code-HASH.zip of jobs and lib, and request.json: {msgspec.json.encode(for_driver(request)).decode()}",
        "# 4. the application",
        " \\\n  ".join(shlex.quote(part) for part in command),
    ]
    return "\n".join(lines)


def submit(request: Request) -> End:
    """Run a request on YARN until it ends. Raises UsageError before anything runs there."""
    submission = prepare(request)
    _require_home(submission)
    with _storage_answers(submission.root):
        ready(submission)
        inputs = tuple(_on_the_cluster(uri, submission.home) for uri in request.inputs)
    with private_folder() as folder:
        (folder / "request.json").write_bytes(msgspec.json.encode(for_driver(replace(request, inputs=inputs))))
        code = make_zip(PROJECT, folder)
        python = environment.folder_of(submission.local_archive) / "bin" / "python"
        settings = settings_of(submission, str(code), str(folder / "request.json"), str(python))
        properties = folder / "spark.conf"
        properties.touch(0o600)  # secrets stand in a file of the user's, never on a command line
        properties.write_text("".join(f"{key} {_escaped(value)}\n" for key, value in settings.items()))
        with ticket.for_java(folder, submission.root):
            if submission.in_cluster:
                return _run_there(submission, folder, properties)
            return _run_here(submission, folder, properties, code, python)


def _require_home(submission: Submission) -> None:
    """Before anything is built or run: without this folder nobody would hear how the run ended."""
    trial = f"{submission.home}/ends/_{submission.id}"
    try:
        storage.write_bytes(trial, b"")
        storage.remove(trial)
        hdfs.remove_old(f"{submission.home}/ends", END_NAME, KEPT_SECONDS)
    except NotLoggedIn:
        raise
    except OSError as error:
        what = f"spark.fireball.home {submission.home} must be a folder that you can write"
        raise UsageError(f"{what}: {error.strerror or error}") from None


@contextlib.contextmanager
def _storage_answers(root: str) -> Iterator[None]:
    """Before anything runs, a NameNode that is down, in safe mode or out of quota is the environment's fault."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{error.filename or root}: {error.strerror or error}") from None


def for_driver(request: Request) -> Request:
    """What the driver needs of a request: Spark's settings reach it another way, secrets not at all."""
    return replace(request, spark_conf={})


def _on_the_cluster(uri: str, home: str) -> str:
    """Put the bundled sample there; what users name is there already."""
    if not uri.startswith("file://"):
        return uri
    folder = storage.local_path(uri)
    target = f"{home}/samples/{folder.name}"
    for file in storage.list_files(uri):
        copy = target + file.uri.removeprefix(uri)
        if not storage.exists(copy):  # a copy anew would be a changed input to earlier runs
            storage.write_file(copy, storage.local_path(file.uri))
    return target


def ready(submission: Submission) -> None:
    """See to it that the environment and Spark's jars are on the cluster; whoever comes first puts them there."""
    if not storage.exists(submission.archive):
        say(f"{submission.local_archive.name} is not on the cluster yet: building it (minutes, once)")
        is_new = not submission.local_archive.exists()
        archive = environment.build(submission.recipe, submission.cache, submission.prefix)
        if is_new and (problems := environment.verify(archive, submission.recipe)):
            archive.unlink()
            raise UsageError(f"the environment does not work: {problems[0]}")
        environment.put(archive, submission.archive)
    if not submission.in_cluster:  # the driver here runs the same Python
        _fetch_archive(submission)
        environment.unpacked(submission.local_archive)
    if not {"spark.yarn.jars", "spark.yarn.archive"} & submission.settings.keys():
        sparks.put_jars(submission.spark, submission.root)


def _fetch_archive(submission: Submission) -> None:
    """A colleague's archive, where this machine has not made it itself."""
    archive = submission.local_archive
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{archive.name}.", dir=archive.parent) as folder:
            storage.fetch(submission.archive, Path(folder)).replace(archive)


def _run_there(submission: Submission, folder: Path, properties: Path) -> End:
    command = [str(submission.spark.submit), "--properties-file", str(properties), str(ENTRY), "request.json"]
    with (folder / "spark-submit.log").open("w") as log:
        process = subprocess.Popen(
            [*command, submission.end],
            env=_environment(submission),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        watch = Watch(submission.request, submission.spark, process)
        with stopped_by(watch.stop):
            assert process.stderr is not None
            watch.follow(process.stderr)
            process.wait()
    if watch.detached:
        return End(DONE, {"job": submission.job, "output": submission.request.output, "application": watch.application})
    end = _end(submission) or _died(watch)
    if end.exit_code == BUG:
        say(aftermath.logs(watch.application))
    return end


def _run_here(submission: Submission, folder: Path, properties: Path, code: Path, python: Path) -> End:
    # From Python, not by spark-submit: only so does the driver's JVM leave Ctrl-C to the driver.
    # The zips, as pip's pyspark has no more than a shell in python/.
    paths = [str(code), *map(str, sorted((submission.spark.home / "python" / "lib").glob("py*.zip")))]
    env = _environment(submission) | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONNOUSERSITE": "1",
        "FIREBALL_SUBMITTER": str(os.getpid()),  # with whom the driver ends
        "PYSPARK_SUBMIT_ARGS": shlex.join(["--properties-file", str(properties), "pyspark-shell"]),
        "PYSPARK_PYTHON": "./environment/bin/python",
        "PYSPARK_DRIVER_PYTHON": str(python),
    }
    process = subprocess.Popen(
        [str(python), str(ENTRY), str(folder / "request.json"), submission.end],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=2,  # stdout is the summary's alone
        start_new_session=True,
    )
    with stopped_by(lambda: process.send_signal(signal.SIGINT)):
        process.wait()
    return _end(submission) or _told(f"the driver ended with {process.returncode} and without a word; {AGAIN}")


def _end(submission: Submission) -> End | None:
    """What the driver left; without it the application died, and the same command resumes."""
    try:
        found = json.loads(storage.read_bytes(submission.end))
    except OSError:  # not there, or nobody answers
        return None
    with contextlib.suppress(OSError):
        storage.remove(submission.end)
    if found["error"]:
        if found["exit_code"] == WRONG:
            raise UsageError(found["error"].removeprefix("error: "))
        say(found["error"])
    return End(found["exit_code"], found["summary"])


def _died(watch: Watch) -> End:
    """Say why, as far as YARN knows. Raises UsageError where the same command would only end in the same way."""
    if not watch.application:
        if watch.stopped:
            return _told(f"stopped before there was an application; {AGAIN}")
        told = [line for line in watch.last_lines if re.search(r"exception|error", line, re.IGNORECASE)]
        raise UsageError(f"spark-submit: {(told or watch.last_lines or ['it failed without a word'])[0].strip()}")
    found = aftermath.ask(watch.application, watch.tracking_url)
    say("\n".join(found.lines()))
    if found.never_started:
        said = (found.driver.splitlines() or ["see its logs"])[-1]
        raise UsageError(f"the driver does not start in the cluster: {said}")
    return _told(f"the application ended without a word; {AGAIN}")


def _told(text: str) -> End:
    say(text)
    return End(INCOMPLETE, {})


def _environment(submission: Submission) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in MISLEADING}
    return kept | {"SPARK_HOME": str(submission.spark.home)}


def _escaped(value: str) -> str:
    # Java's properties: a backslash begins an escape.
    return value.replace("\\", "\\\\").replace("\n", "\\n")
