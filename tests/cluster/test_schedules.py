"""The schedules are what their schedulers take."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from lxml import etree

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
OOZIE = Path(__file__).resolve().parents[2] / "schedules" / "oozie"


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Oozie's own, from its client on Maven Central."""
    folder = tmp_path_factory.mktemp("oozie")
    artifact = "-Dartifact=org.apache.oozie:oozie-client:5.2.1"
    command = ["mvn", "-B", "-q", "dependency:copy", artifact, f"-DoutputDirectory={folder}"]
    subprocess.run(command, check=True, timeout=200, capture_output=True)
    with zipfile.ZipFile(folder / "oozie-client-5.2.1.jar") as jar:
        jar.extractall(folder, [name for name in jar.namelist() if name.endswith(".xsd")])
    return folder


JOINT = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:import namespace="uri:oozie:workflow:1.0" schemaLocation="oozie-workflow-1.0.xsd"/>
<xs:import namespace="uri:oozie:coordinator:0.5" schemaLocation="oozie-coordinator-0.5.xsd"/>
<xs:import namespace="uri:oozie:ssh-action:0.2" schemaLocation="ssh-action-0.2.xsd"/>
</xs:schema>"""


@pytest.mark.parametrize("file", ["workflow.xml", "coordinator.xml"])
def test_oozie_takes_the_file(schemas: Path, file: str) -> None:
    (schemas / "joint.xsd").write_text(JOINT)
    etree.XMLSchema(etree.parse(schemas / "joint.xsd")).assertValid(etree.parse(OOZIE / file))
