"""What YARN knows of an application that died without a word, in lines that a person can act on."""

from __future__ import annotations

import json
import re
import urllib.request
from contextlib import suppress
from dataclasses import dataclass

EXIT_CODES = {
    "137": "killed: by YARN for its memory, or by the kernel",
    "143": "ended by YARN: preempted, over its memory, or the application was killed",
    "-100": "its node was lost",
    "-104": "killed by YARN: over its memory",
    "-1000": "a file that it needs could not be fetched; what is missing is put back by the same command",
    "13": "the driver never made a Spark session: usually its Python does not work there",
}
NO_SESSION = "13"
SLOW = "Timed out waiting for SparkContext"  # ends with 13 too, but the driver was at work
CODE = re.compile(r"\bexit(?:Code| code| status):? (-?\d+)", re.IGNORECASE)
# A stack trace, and what YARN adds to every text.
NOISE = re.compile(r"\s*(at |Caused by: |\.\.\. \d+ more|For more detailed output|\. Failing the application)")
SECONDS = 5


@dataclass(frozen=True)
class Aftermath:
    """How an application ended, as the ResourceManager has it, and what its driver printed last."""

    application: str
    diagnostics: str
    driver: str

    @property
    def exit_code(self) -> str:
        """Of the driver's container; an empty text where YARN does not say."""
        found = CODE.search(self.diagnostics)
        return found[1] if found else ""

    @property
    def never_started(self) -> bool:
        """Whether the driver's Python does not work there."""
        return self.exit_code == NO_SESSION and SLOW not in self.diagnostics

    def lines(self) -> list[str]:
        """The driver's own words first, then YARN's, then where to read on."""
        code = self.exit_code
        first = [line for line in self.diagnostics.splitlines() if line.strip() and not NOISE.match(line)][:2]
        meaning = [f"exit code {code}: {EXIT_CODES[code]}"] if code in EXIT_CODES else []
        return [*self.driver.splitlines()[-15:], *(line[:500] for line in first), *meaning, logs(self.application)]


def logs(application: str) -> str:
    """The line to paste."""
    return f"its logs: yarn logs -applicationId {application}"


def ask(application: str, tracking_url: str) -> Aftermath:
    """Ask the ResourceManager, and the node where the driver ran; what does not answer stays empty."""
    manager = re.split(r"/(?:proxy|cluster)/", tracking_url)[0]
    diagnostics = driver = ""
    with suppress(OSError, ValueError, LookupError):
        app = json.loads(_get(f"{manager}/ws/v1/cluster/apps/{application}"))["app"]
        diagnostics = str(app["diagnostics"])
        node, _, container = str(app["amContainerLogs"]).partition("/node/containerlogs/")
        said = _get(f"{node}/ws/v1/node/containers/{container.split('/')[0]}/logs/stdout?size=-4096")
        driver = said.partition("LogContents:\n")[2].partition("\nEnd of LogType")[0].strip()
    return Aftermath(application, diagnostics, driver)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return str(answer.read().decode(errors="replace"))
