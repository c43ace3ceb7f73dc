"""What stands in the configuration files of a small HDFS and YARN on loopback, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Settings = dict[str, dict[str, object]]  # by file: core, hdfs, yarn, capacity

CAPACITY: dict[str, object] = {
    "yarn.scheduler.capacity.root.queues": "default",
    "yarn.scheduler.capacity.root.default.capacity": 100,
    "yarn.scheduler.capacity.root.default.user-limit-factor": 100,
    "yarn.scheduler.capacity.maximum-am-resource-percent": "1.0",
    "yarn.scheduler.capacity.node-locality-delay": -1,
}


def of(role: str, own: Path, ports: Mapping[str, int], node_mb: int, node_cores: int) -> Settings:
    """The settings of a daemon, or of `client`; `own` is its folder."""
    node = {
        "yarn.scheduler.maximum-allocation-mb": node_mb,
        "yarn.scheduler.maximum-allocation-vcores": node_cores,
        "yarn.nodemanager.resource.memory-mb": node_mb,
        "yarn.nodemanager.resource.cpu-vcores": node_cores,
    }
    yarn = {**_resource_manager(ports), **_node_manager(role, own, ports), **YARN_CLIENT, **node}
    hdfs = {**_name_node(own, ports), **_data_node(role, own, ports)}
    return {"core": _core(role, own, ports), "hdfs": hdfs, "yarn": yarn, "capacity": dict(CAPACITY)}


def merged(settings: Settings, more: Settings) -> Settings:
    """`settings` with `more` added to each file, or put in place of what is there."""
    return {file: {**settings.get(file, {}), **more.get(file, {})} for file in {**settings, **more}}


def _core(role: str, own: Path, ports: Mapping[str, int]) -> dict[str, object]:
    return {
        "fs.defaultFS": f"hdfs://127.0.0.1:{ports['nn.rpc']}",
        "hadoop.tmp.dir": own / "tmp",
        "hadoop.security.token.service.use_ip": "true",  # addresses are compared as given: there is no DNS
        # A dead NameNode is an error within seconds for a client; daemons wait for each other.
        "ipc.client.connect.max.retries": 5 if role == "client" else 200,
        "ipc.client.connect.retry.interval": 200,
    }


def _name_node(own: Path, ports: Mapping[str, int]) -> dict[str, object]:
    return {
        "dfs.replication": 2,
        "dfs.namenode.rpc-address": f"127.0.0.1:{ports['nn.rpc']}",
        "dfs.namenode.http-address": f"127.0.0.1:{ports['nn.http']}",
        "dfs.namenode.name.dir": f"file://{own}/name",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.namenode.safemode.extension": 0,
        "dfs.namenode.safemode.min.datanodes": 2,
        # A DataNode is dead after 2 x recheck + 10 x heartbeat: 12 s instead of ten minutes.
        "dfs.heartbeat.interval": "1s",
        "dfs.namenode.heartbeat.recheck-interval": 1000,
        "dfs.namenode.stale.datanode.interval": 3000,
        "dfs.namenode.avoid.read.stale.datanode": "true",
        "dfs.namenode.avoid.write.stale.datanode": "true",
        "dfs.namenode.redundancy.interval.seconds": "1s",
        "dfs.namenode.handler.count": 4,
        "dfs.namenode.fs-limits.min-block-size": 1024,
    }


def _data_node(role: str, own: Path, ports: Mapping[str, int]) -> dict[str, object]:
    return {
        "dfs.datanode.data.dir": f"file://{own}/data",
        "dfs.datanode.address": f"127.0.0.1:{ports.get(f'{role}.data', 0)}",
        "dfs.datanode.ipc.address": f"127.0.0.1:{ports.get(f'{role}.ipc', 0)}",
        "dfs.datanode.http.address": f"127.0.0.1:{ports.get(f'{role}.http', 0)}",
        "dfs.datanode.hostname": "127.0.0.1",
        "dfs.blockreport.initialDelay": "0s",
        # Of two DataNodes a broken pipeline has no spare to bring in.
        "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
        "dfs.client.socket-timeout": 10000,
    }


def _resource_manager(ports: Mapping[str, int]) -> dict[str, object]:
    return {
        "yarn.resourcemanager.hostname": "127.0.0.1",
        "yarn.resourcemanager.address": f"127.0.0.1:{ports['rm.rpc']}",
        "yarn.resourcemanager.scheduler.address": f"127.0.0.1:{ports['rm.scheduler']}",
        "yarn.resourcemanager.resource-tracker.address": f"127.0.0.1:{ports['rm.tracker']}",
        "yarn.resourcemanager.admin.address": f"127.0.0.1:{ports['rm.admin']}",
        "yarn.resourcemanager.webapp.address": f"127.0.0.1:{ports['rm.http']}",
        "yarn.resourcemanager.am.max-attempts": 4,
        "yarn.scheduler.minimum-allocation-mb": 128,
        # A dead node is noticed in 10 s instead of ten minutes; less fails on a busy machine.
        "yarn.nm.liveness-monitor.expiry-interval-ms": 10000,
        # This one also runs while the archive is localised.
        "yarn.am.liveness-monitor.expiry-interval-ms": 300000,
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 300,
    }


def _node_manager(role: str, own: Path, ports: Mapping[str, int]) -> dict[str, object]:
    node = f"127.0.0.{role[2]}" if role.startswith("nm") else "127.0.0.1"
    return {
        "yarn.nodemanager.hostname": node,
        "yarn.nodemanager.address": f"{node}:{ports.get(f'{role}.rpc', 0)}",
        "yarn.nodemanager.localizer.address": f"{node}:{ports.get(f'{role}.localizer', 0)}",
        "yarn.nodemanager.webapp.address": f"{node}:{ports.get(f'{role}.http', 0)}",
        "yarn.nodemanager.collector-service.address": f"{node}:{ports.get(f'{role}.collector', 0)}",
        "yarn.nodemanager.local-dirs": own / "local",
        "yarn.nodemanager.log-dirs": own / "containers",
        # YARN killing a container over its memory is a case that happens.
        "yarn.nodemanager.pmem-check-enabled": "true",
        # By default the NodeManager leaves it to cgroups, whether it has them or not.
        "yarn.nodemanager.resource.memory.enforced": "false",
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.container-monitor.interval-ms": 500,
        "yarn.nodemanager.env-whitelist": "JAVA_HOME,PATH,LANG,TZ",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 100,
        "yarn.nodemanager.disk-health-checker.min-free-space-per-disk-mb": 0,
        "yarn.log-aggregation-enable": "false",  # container logs stay readable in their folders
        "yarn.nodemanager.sleep-delay-before-sigkill.ms": 250,
    }


YARN_CLIENT: dict[str, object] = {
    "yarn.resourcemanager.connect.max-wait.ms": 15000,
    "yarn.resourcemanager.connect.retry-interval.ms": 500,
    "yarn.client.application-client-protocol.poll-interval-ms": 100,
    "yarn.client.nodemanager-connect.max-wait-ms": 5000,
    "yarn.client.nodemanager-connect.retry-interval-ms": 500,
}
