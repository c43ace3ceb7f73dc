"""Archives over http: read by ranges from a server that gives them, refused plainly where it does not."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from warc_files import member, noise, read, read_split, record

from lib import planning, storage, web
from lib.errors import UsageError
from lib.ledger import Ledger
from lib.sources.inputs import expand_inputs
from lib.sources.warc import WarcSource

PAGES = [record(i, noise(3000, i)) for i in range(9)]
FILES = {"/cc/a b.warc.gz": b"".join(map(member, PAGES)), "/warc.paths.gz": gzip.compress(b"cc/a b.warc.gz\n")}


class Handler(BaseHTTPRequestHandler):
    """Serves FILES, each first answered as busy."""

    ranges = True
    asked: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        data = FILES.get(self.path.replace("%20", " "))
        if data is None:
            self.send_error(403 if "secret" in self.path else 404)
            return
        if self.path not in self.asked:
            self.asked.add(self.path)
            self.send_error(503)
            return
        span = self.headers.get("Range") if self.ranges else None
        begin, end = map(int, span.removeprefix("bytes=").split("-")) if span else (0, len(data) - 1)
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(end + 1 - begin))
        self.send_header("ETag", '"x"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[begin : end + 1])

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(web, "WAITS_SECONDS", (0, 0))
    monkeypatch.setattr(Handler, "asked", set())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_archive_is_read_by_ranges_and_cut_as_any(host: str) -> None:
    uri = f"{host}/cc/a b.warc.gz"
    assert storage.stat(uri) == storage.Stat(uri, len(FILES["/cc/a b.warc.gz"]), f'{len(FILES["/cc/a b.warc.gz"])}-"x"')
    assert [row["content"] for row in read([uri], 5000)] == [noise(3000, i) for i in range(9)]


def test_list_and_archives_come_from_the_server(host: str, tmp_path: object) -> None:
    ledger = Ledger(f"file://{tmp_path}/out")
    listed = [f"{host}/warc.paths.gz"]
    files = list(expand_inputs(listed))
    (split,) = planning.extend(ledger, {"warc": WarcSource()}, listed, files, None, 1 << 26, cores=1)
    assert len(read_split(split)) == 9


@pytest.mark.parametrize(("path", "why"), [("gone.warc", "no such file"), ("secret.warc", "permission denied")])
def test_what_cannot_be_read_is_one_line(host: str, tmp_path: object, path: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"^{host}/{path}: {why}$"):
        list(expand_inputs([f"{host}/{path}"]))


def test_server_without_ranges_is_named(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "ranges", False)
    with pytest.raises(OSError, match="whole files only, no ranges"):
        read([f"{host}/cc/a b.warc.gz"])


def test_nothing_is_written_there(host: str) -> None:
    with pytest.raises(UsageError, match="only local files"):
        storage.write_bytes(f"{host}/x", b"")
