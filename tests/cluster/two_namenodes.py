"""A cluster as large ones are: two NameNodes behind one name, and a viewfs of mount links over them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from cluster.hadoop_settings import Settings, merged
from cluster.minihadoop import MiniHadoop, write_conf

# A mount point need not be called as what it leads to.
LINKS = {"/web": "/pages", "/out": "/out", "/user": "/user", "/tmp": "/tmp"}


class TwoNameNodes(MiniHadoop):
    """`hdfs://prod` is whichever of nn and nn2 is active, which nobody but `activate` decides; one NodeManager."""

    name: ClassVar[str] = "prod"  # of the nameservice; hdfs-native's clients are kept by it
    roles: ClassVar[tuple[str, ...]] = ("rm", "nn", "nn2", "dn1", "dn2", "nm1")

    @property
    def default_fs(self) -> str:
        return f"hdfs://{self.name}"

    @property
    def viewfs_conf_dir(self) -> Path:
        """What HADOOP_CONF_DIR is for clients whose default filesystem is `viewfs://cluster`."""
        return self.root / "conf" / "viewfs"

    def start(self) -> TwoNameNodes:
        super().start()
        write_conf(
            self.viewfs_conf_dir, merged(self.settings("client"), {"core": {"fs.defaultFS": "viewfs://cluster"}})
        )
        self.activate("nn")
        return self

    def prepare(self, role: str) -> None:
        super().prepare(role)
        if role == "nn2":
            shutil.copytree(self.root / "nn", self.root / "nn2")

    def activate(self, role: str) -> None:
        """Make a NameNode the active one, whatever the other is."""
        self.haadmin("-transitionToActive", "--forceactive", role)  # though the dead one does not say that it is not

    def fail_over(self) -> None:
        """The active NameNode dies, the other takes over, and the dead one comes back on standby."""
        victim, heir = ("nn", "nn2") if "active" in self.haadmin("-getServiceState", "nn") else ("nn2", "nn")
        self.kill(victim)
        self.activate(heir)
        self.launch(victim)

    def settings(self, role: str) -> Settings:
        mounts = {f"fs.viewfs.mounttable.cluster.link.{a}": f"{self.default_fs}{b}" for a, b in LINKS.items()}
        provider = "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"
        hdfs: dict[str, object] = {
            "dfs.nameservices": self.name,
            f"dfs.ha.namenodes.{self.name}": "nn,nn2",
            f"dfs.client.failover.proxy.provider.{self.name}": provider,
            "dfs.namenode.shared.edits.dir": f"file://{self.root}/edits",
            "dfs.ha.automatic-failover.enabled": "false",
            "dfs.ha.fencing.methods": "shell(/bin/true)",
            "dfs.ha.tail-edits.period": "1s",
        }
        for node in ("nn", "nn2"):
            hdfs[f"dfs.namenode.rpc-address.{self.name}.{node}"] = f"127.0.0.1:{self.ports[f'{node}.rpc']}"
            hdfs[f"dfs.namenode.http-address.{self.name}.{node}"] = f"127.0.0.1:{self.ports[f'{node}.http']}"
        if role.startswith("nn"):  # which of the two it is: they have the same address
            hdfs["dfs.ha.namenode.id"] = role
        core: dict[str, object] = {"fs.defaultFS": self.default_fs, **mounts}
        return merged(super().settings(role), {"core": core, "hdfs": hdfs})
