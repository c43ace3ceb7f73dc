"""A real HDFS and YARN on loopback, in one temporary folder: what runs on it has run on a cluster."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from cluster import hadoop_settings
from cluster.hadoop_settings import Settings

HADOOP_VERSION = "3.5.0"
POM = Path(__file__).with_name("hadoop.pom.xml")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fireball"

MAIN = {  # by what a role's name begins with
    "nn": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "dn": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "rm": "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "nm": "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
}
HEAP_MB = {"nn": 192, "dn": 128, "rm": 256, "nm": 192}
# Small JVMs that start fast: serial collector, no optimising compiler.
JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true"]
# Hadoop on Java 17 reflects into the JDK.
OPENS = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.io", "java.lang", "java.lang.reflect", "java.net", "java.nio", "java.util")
] + ["--add-opens=java.base/java.util.concurrent=ALL-UNNAMED"]
DEADLINE_SECONDS = 120.0


def jars(pom: Path = POM) -> Path:
    """The class path of a pom, from Maven Central the first time (of the servers 99 MB, a minute)."""
    folder = CACHE / f"{pom.name.removesuffix('.pom.xml')}-{HADOOP_VERSION}"
    if not folder.exists():
        fetched = folder.with_name(f"{folder.name}.{os.getpid()}")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
        subprocess.run(["mvn", "-B", "-q", "-f", str(pom), *goal], check=True, timeout=600)
        with contextlib.suppress(OSError):  # somebody else was faster
            fetched.rename(folder)
        shutil.rmtree(fetched, ignore_errors=True)
    return folder


@dataclass
class MiniHadoop:
    """NameNode, two DataNodes, ResourceManager, two NodeManagers (127.0.0.1 and 127.0.0.2: two hosts for YARN).

    Roles are named nn dn1 dn2 rm nm1 nm2. The NodeManagers are stock, memory checks included.
    """

    roles: ClassVar[tuple[str, ...]] = ("rm", "nn", "dn1", "dn2", "nm1", "nm2")  # as they are launched

    root: Path
    node_mb: int = 6144
    node_cores: int = 4
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def conf_dir(self) -> Path:
        """What HADOOP_CONF_DIR is for clients."""
        return self.root / "conf" / "client"

    @property
    def default_fs(self) -> str:
        return f"hdfs://127.0.0.1:{self.ports['nn.rpc']}"

    def start(self) -> MiniHadoop:
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        self.ports = _free_ports(PORTS)
        for role in ("client", *self.roles):
            write_conf(self.root / "conf" / role, self.settings(role))
        nodes = sum(role.startswith("nm") for role in self.roles)
        try:
            for role in self.roles:
                self.prepare(role)
                self.launch(role)
            self.wait_until(lambda: self.live_datanodes() == 2 and not self.safe_mode(), "HDFS is up")
            self.wait_until(lambda: self.live_nodes() == nodes, "all NodeManagers are registered")
        except BaseException:
            self.stop()
            raise
        return self

    def prepare(self, role: str) -> None:
        """What has to be there before it is launched for the first time."""
        if role == "nn":
            subprocess.run(
                self._command("nn", "-format", "-nonInteractive"),
                env=self.env(),
                capture_output=True,
                check=True,
                timeout=DEADLINE_SECONDS,
            )

    def settings(self, role: str) -> Settings:
        """What stands in the configuration files of a daemon, or of `client`: for subclasses to add to, by `merged`."""
        return hadoop_settings.of(role, self.root / role, self.ports, self.node_mb, self.node_cores)

    def launch(self, role: str) -> None:
        log = self.root / "logs" / f"{role}.log"
        log.parent.mkdir(exist_ok=True)
        (self.root / role).mkdir(exist_ok=True)
        with log.open("ab") as out:
            self.daemons[role] = subprocess.Popen(
                self._command(role),
                env=self.env(),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C of the test run is not for the daemons ...
                preexec_fn=die_with_parent,  # ... but its death is
            )

    def kill(self, role: str) -> None:
        """SIGKILL. The containers of a killed NodeManager go on, as they do in real life."""
        daemon = self.daemons.pop(role)
        daemon.kill()
        daemon.wait(30)

    def restart(self, role: str) -> None:
        if role in self.daemons:
            self.kill(role)
        self.launch(role)

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait(10)
        self.daemons.clear()
        for pid in self.containers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def containers(self, application: str = "", command: str = "", node: str = "nm") -> list[int]:
        """Pids of what runs in the NodeManagers' folders, also after their NodeManager died.

        Only those of an application, on a node, with `command` in their command line, where these are given.
        """
        found = []
        for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda entry: int(entry.name)):
            with contextlib.suppress(OSError):
                place = str((entry / "cwd").readlink())
                if place.startswith(f"{self.root}/{node}") and application in place:
                    said = (entry / "cmdline").read_bytes().decode(errors="replace")
                    if command in said and (not command or not said.startswith(("/bin/bash", "bash"))):
                        found.append(int(entry.name))
        return found

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, ValueError, LookupError):  # not listening yet, or the bean is not there
                if holds():
                    return
            for role, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    raise RuntimeError(f"{role} ended with {daemon.returncode}, waiting for: {what}\n{self.log(role)}")
            if time.monotonic() > end:
                raise TimeoutError(
                    f"not in {seconds} s: {what}\n" + "\n".join(self.log(role, 5) for role in self.roles)
                )
            time.sleep(0.1)

    # The daemons' own web pages: no client JVM, milliseconds.

    def live_datanodes(self) -> int:
        return int(self._name_node("FSNamesystemState")["NumLiveDataNodes"])

    def safe_mode(self) -> bool:
        return bool(self._name_node("NameNodeInfo")["Safemode"])

    def live_nodes(self) -> int:
        return int(self._get("rm.http", "/ws/v1/cluster/metrics")["clusterMetrics"]["activeNodes"])

    def application(self, name: str) -> dict[str, Any]:
        """What the ResourceManager says of one."""
        found: dict[str, Any] = self._get("rm.http", f"/ws/v1/cluster/apps/{name}")["app"]
        return found

    def applications(self) -> list[dict[str, Any]]:
        """Newest first."""
        found = (self._get("rm.http", "/ws/v1/cluster/apps").get("apps") or {}).get("app") or []
        return sorted(found, key=lambda app: str(app["id"]), reverse=True)

    def kill_application(self, application: str) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['rm.http']}/ws/v1/cluster/apps/{application}/state?user.name=root",
            b'{"state": "KILLED"}',
            {"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=10).close()

    def container_logs(self, application: str, name: str = "*") -> list[Path]:
        """Files that the containers of an application wrote."""
        return sorted(self.root.glob(f"nm*/containers/{application}/*/{name}"))

    def log(self, role: str, lines: int = 15) -> str:
        path = self.root / "logs" / f"{role}.log"
        tail = path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []
        return "\n".join([f"--- {role}", *tail])

    # Hadoop's own clients.

    def fs(self, *args: str) -> str:
        """What `hdfs dfs ARGS` prints; raises CalledProcessError."""
        return self._client("org.apache.hadoop.fs.FsShell", *args)

    def dfsadmin(self, *args: str) -> str:
        return self._client("org.apache.hadoop.hdfs.tools.DFSAdmin", *args)

    def haadmin(self, *args: str) -> str:
        return self._client("org.apache.hadoop.hdfs.tools.DFSHAAdmin", *args)

    def _client(self, main: str, *args: str) -> str:
        command = [*_java(self.conf_dir, 256), main, *args]
        done = subprocess.run(
            command, env=self.env(), text=True, capture_output=True, check=False, timeout=DEADLINE_SECONDS
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, args, done.stdout, done.stderr)
        return done.stdout

    def _name_node(self, bean: str) -> dict[str, Any]:
        found: dict[str, Any] = self._get("nn.http", f"/jmx?qry=Hadoop:service=NameNode,name={bean}")["beans"][0]
        return found

    def _get(self, port: str, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def _command(self, role: str, *args: str) -> list[str]:
        return [*_java(self.root / "conf" / role, HEAP_MB[role[:2]]), MAIN[role[:2]], *args]

    def env(self) -> dict[str, str]:
        """Of the daemons."""
        # Nothing of the caller's HADOOP_*, SPARK_* or PYTHON* may reach the daemons, and from there the containers.
        java_home = Path(shutil.which("java") or "java").resolve().parents[1]
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "JAVA_HOME": os.environ.get("JAVA_HOME", str(java_home)),
            "HOME": str(self.root),
            "HADOOP_USER_NAME": "root",
        }


PORTS = (
    *("nn.rpc", "nn.http", "nn2.rpc", "nn2.http", "rm.rpc", "rm.scheduler", "rm.tracker", "rm.admin", "rm.http"),
    *(f"{role}.{name}" for role in ("dn1", "dn2") for name in ("data", "ipc", "http")),
    *(f"{role}.{name}" for role in ("nm1", "nm2") for name in ("rpc", "localizer", "http", "collector")),
)
SITE = {"core": "core-site", "hdfs": "hdfs-site", "yarn": "yarn-site", "capacity": "capacity-scheduler"}
LOG4J = """log4j.rootLogger={level},A
log4j.appender.A=org.apache.log4j.ConsoleAppender
log4j.appender.A.target=System.err
log4j.appender.A.layout=org.apache.log4j.PatternLayout
log4j.appender.A.layout.ConversionPattern=%d{{HH:mm:ss,SSS}} %p %c{{2}}: %m%n
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
"""


@contextlib.contextmanager
def running(cluster: MiniHadoop) -> Iterator[MiniHadoop]:
    """A cluster for the length of a block."""
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    # All are held open until all are chosen, so that no two are the same.
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for one in sockets.values():
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in sockets.items()}


def write_conf(folder: Path, settings: Settings) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for site, values in settings.items():
        lines = (f"<property><name>{k}</name><value>{escape(str(v))}</value></property>" for k, v in values.items())
        (folder / f"{SITE[site]}.xml").write_text("<configuration>\n" + "\n".join(lines) + "\n</configuration>\n")
    (folder / "log4j.properties").write_text(LOG4J.format(level="WARN" if folder.name == "client" else "INFO"))
    # The web pages are not in Maven Central's jar; empty folders are enough for the DataNode to start.
    for page in ("hdfs", "datanode"):
        (folder / "webapps" / page).mkdir(parents=True, exist_ok=True)


def _java(conf: Path, heap_mb: int) -> list[str]:
    return ["java", f"-Xmx{heap_mb}m", *JVM, *OPENS, "-cp", f"{conf}:{jars()}/*"]


def die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
