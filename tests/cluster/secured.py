"""A Kerberos server on loopback, and a cluster as large ones are that asks everybody for a ticket of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import hdfs_native
from cluster.conftest import until
from cluster.hadoop_settings import Settings, merged
from cluster.minihadoop import JVM, die_with_parent, jars
from cluster.two_namenodes import TwoNameNodes

REALM = "EXAMPLE.COM"
SERVICE, WEB = "hadoop/localhost", "HTTP/localhost"
PEOPLE = ("ada", "grace", "gate")  # gate may act for others
POM = Path(__file__).with_name("kdc.pom.xml")
SERVER = """org.name=EXAMPLE
org.domain=COM
kdc.bind.address=127.0.0.1
kdc.port=0
transport=TCP
max.ticket.lifetime=86400000
max.renewable.lifetime=604800000
instance=DefaultKrbServer
debug=false
"""


@dataclass(frozen=True)
class Kdc:
    """A Kerberos server with everybody's keys in one keytab."""

    folder: Path

    @property
    def krb5_conf(self) -> Path:
        """What /etc/krb5.conf is on real machines."""
        return self.folder / "krb5.conf"

    @property
    def keytab(self) -> Path:
        """Of every principal; who uses it says which one they are."""
        return self.folder / "all.keytab"

    @property
    def java(self) -> str:
        """The option by which a JVM finds it."""
        return f"-Djava.security.krb5.conf={self.krb5_conf}"


@contextmanager
def kerberos(folder: Path) -> Iterator[Kdc]:
    """A Kerberos server for the length of a block."""
    kdc, log = Kdc(folder), folder / "kdc.log"
    (folder / "server.conf").write_text(SERVER)
    places = [str(folder), str(folder / "server.conf"), str(kdc.keytab)]
    command = ["java", "-Xmx96m", *JVM, "-cp", f"{jars(POM)}/*", "org.apache.hadoop.minikdc.MiniKdc", *places]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, SERVICE, WEB, *PEOPLE],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        until(lambda: server.poll() is not None or "Standalone MiniKdc Running" in log.read_text(), "it is up", 60)
        assert server.poll() is None, log.read_text()
        yield kdc
    finally:
        server.kill()
        server.wait(30)


@dataclass(kw_only=True)
class SecuredHadoop(TwoNameNodes):
    """Two NameNodes and a viewfs behind Kerberos; the daemons' own user, `hadoop`, may do everything."""

    name: ClassVar[str] = "vault"
    kdc: Kdc
    more: Settings = field(default_factory=dict)

    def settings(self, role: str) -> Settings:
        """With what an admin adds to secure a cluster, and what lets that do without root's ports and certificates."""
        return merged(merged(super().settings(role), _secured(self.kdc)), self.more)

    def env(self) -> dict[str, str]:
        """With the Kerberos server, and the package of the JDK that Hadoop asks for the realm."""
        opened = "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED"
        mine = {"JAVA_TOOL_OPTIONS": f"{self.kdc.java} {opened}", "KRB5CCNAME": self._cache(SERVICE)}
        return super().env() | mine

    def activate(self, role: str) -> None:
        """As the daemons' own user."""
        self.kinit(SERVICE)
        super().activate(role)

    def _cache(self, person: str) -> str:
        return f"FILE:{self.root}/{person.partition('/')[0]}.ticket"

    def kinit(self, person: str) -> str:
        """A new ticket of theirs, as KRB5CCNAME names it."""
        cache = self._cache(person)
        client = hdfs_native.Client(
            f"hdfs://127.0.0.1:{self.ports['nn.rpc']}",
            {"dfs.client.failover.max.attempts": "1"},  # one on standby would be asked again for minutes
            config_dir=str(self.conf_dir),
            kerberos_principal=f"{person}@{REALM}",
            kerberos_keytab=str(self.kdc.keytab),
            kerberos_cache=cache,
        )
        try:
            client.get_file_info("/")
        except RuntimeError as error:  # on standby it says no more than that
            if "StandbyException" not in str(error):
                raise
        return cache


def _secured(kdc: Kdc) -> Settings:
    principal, web = f"{SERVICE}@{REALM}", f"{WEB}@{REALM}"
    core = {
        "hadoop.security.authentication": "kerberos",
        "hadoop.security.authorization": "true",
        "hadoop.proxyuser.gate.hosts": "*",
        "hadoop.proxyuser.gate.users": "grace",
    }
    hdfs = {
        **{f"dfs.{daemon}.kerberos.principal": principal for daemon in ("namenode", "datanode")},
        **{f"dfs.{daemon}.keytab.file": kdc.keytab for daemon in ("namenode", "datanode")},
        "dfs.web.authentication.kerberos.principal": web,
        "dfs.web.authentication.kerberos.keytab": kdc.keytab,
        "dfs.block.access.token.enable": "true",
        # `privacy` would take a minute and a half to write the environment in these small JVMs.
        "dfs.data.transfer.protection": "authentication",
        "ignore.secure.ports.for.testing": "true",
        "dfs.http.policy": "HTTP_ONLY",
        # Shorter than the runs: each lives on tokens that the ResourceManager has renewed.
        "dfs.namenode.delegation.token.renew-interval": 20_000,
    }
    yarn = {
        **{f"yarn.{daemon}.principal": principal for daemon in ("resourcemanager", "nodemanager")},
        **{f"yarn.{daemon}.keytab": kdc.keytab for daemon in ("resourcemanager", "nodemanager")},
        # What a krb5.conf in /etc is on real nodes.
        "yarn.nodemanager.admin-env": f"JAVA_TOOL_OPTIONS={kdc.java}",
    }
    return {"core": core, "hdfs": hdfs, "yarn": yarn}
