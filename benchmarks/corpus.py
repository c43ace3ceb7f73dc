"""Real pages in many languages without a crawl: Debian's documentation packages, written as WARC files.

python -m benchmarks.corpus OUT --pages 20000 [--seed N] [--debs FOLDER]
"""

from __future__ import annotations

import argparse
import gzip
import re
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

# Some 195,000 pages in Debian 12, half a gigabyte to download.
PACKAGES = (
    *("aptitude-doc-*", "debian-faq*", "debian-handbook", "debian-policy*", "debian-reference-*", "debmake-doc"),
    *("developers-reference*", "installation-guide-amd64", "maint-guide*", "apt-doc", "libreoffice-help-*"),
    *("lilypond-doc-html*", "gimp-help-en", "apache2-doc", "cppreference-doc-en-html", "erlang-doc", "fp-docs-[0-9]*"),
    *("ghc-doc", "git-doc", "libboost[0-9]*-doc", "libglib2.0-doc", "libgtk-3-doc", "libstdc++-[0-9]*-doc"),
    *("maxima-doc", "octave-doc", "openjdk-17-doc", "postgresql-doc-[0-9]*", "python-django-doc", "python-pandas-doc"),
    *("python-scipy-doc", "python3.*-doc", "qtbase5-doc-html", "rust-doc", "sqlite3-doc"),
)
FILE_BYTES = 100 << 20
FIRST_FETCH = datetime(2024, 1, 1, tzinfo=UTC)
PAGE_NAME = re.compile(r"\.x?html?$", re.IGNORECASE)
META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)
LANGUAGE = re.compile(rb"<html[^>]*?\slang\s*=\s*[\"']?([A-Za-z]{2,3})", re.IGNORECASE)


class NoPages(Exception):
    """Why there is nothing to write, in one line."""


@dataclass(frozen=True)
class Page:
    """A page of an archive; `path` is its name in there, without the leading dot."""

    package: str
    path: str
    body: bytes

    @property
    def url(self) -> str:
        """Where the page would have been fetched; example.org is reserved for such uses (RFC 2606)."""
        return f"https://{self.package.replace('+', 'p')}.example.org{self.path}"


def main(args: Sequence[str] | None = None) -> int:
    """Download, choose, write, count."""
    options = build_parser().parse_args(args)
    try:
        debs = download(options.debs or options.out / "debs")
        chosen = choose(debs, options.pages, options.seed)
        packages, languages, files = write(chosen, options.out)
    except NoPages as why:
        print(f"corpus: {why}", file=sys.stderr)
        return 2
    for title, counts in (("package", packages), ("language", languages)):
        print(f"pages by {title}: " + ", ".join(f"{name} {n}" for name, n in counts.most_common()))
    print(f"{packages.total()} pages in {files} files below {options.out}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for pages-00000.warc.gz and so on")
    parser.add_argument("--pages", type=int, default=20_000, help="how many (20000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed chooses other pages of the same packages")
    parser.add_argument("--debs", type=Path, help="where the packages are kept between runs (OUT/debs)")
    return parser


def download(folder: Path, patterns: Sequence[str] = PACKAGES) -> list[Path]:
    """Every archive whose name fits, each fetched unless it is there already; no root needed."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoPages("needs apt-get and dpkg-deb: run it on Debian or Ubuntu, or in a container of theirs")
    known = subprocess.run(["apt-cache", "pkgnames"], check=True, capture_output=True, text=True).stdout.split()
    wanted = sorted(name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns))
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in wanted if not any(folder.glob(f"{name}_*.deb"))]
    if missing:
        print(f"corpus: downloading {len(missing)} packages to {folder}", file=sys.stderr)
        fetched = subprocess.run(["apt-get", "download", "-qq", *missing], cwd=folder, stdout=sys.stderr)
        if fetched.returncode:
            raise NoPages("apt-get download failed (see above); are its lists fresh? try: apt-get update")
    found = (sorted(folder.glob(f"{name}_*.deb"))[-1:] for name in wanted)
    debs = [deb for newest in found for deb in newest]
    if not debs:
        raise NoPages("apt knows none of the documentation packages; try: apt-get update")
    return debs


def choose(debs: Sequence[Path], pages: int, seed: int) -> dict[Path, set[str]]:
    """The same number of pages of every package, as long as it has some; which ones depends on the seed alone."""
    ranked = [
        (rank, key, deb, path)
        for deb in debs
        for rank, (key, path) in enumerate(sorted((hashed(seed, path), path) for path in page_names(deb)))
    ]
    if len(ranked) < pages:
        raise NoPages(f"--pages {pages}: the packages hold {len(ranked)} pages")
    chosen: dict[Path, set[str]] = {}
    for _, _, deb, path in sorted(ranked)[:pages]:
        chosen.setdefault(deb, set()).add(path)
    return dict(sorted(chosen.items()))


def page_names(deb: Path) -> list[str]:
    """The pages of an archive."""
    return [entry.name for _, entry in entries(deb) if is_page(entry)]


def read_pages(deb: Path, chosen: set[str]) -> Iterator[Page]:
    """The chosen pages, in the archive's order."""
    package = deb.name.split("_")[0]
    for archive, entry in entries(deb):
        if entry.name in chosen and is_page(entry):
            stream = archive.extractfile(entry)
            assert stream is not None
            yield Page(package, entry.name.removeprefix("."), stream.read())


def entries(deb: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Every entry of an archive, streaming: nothing is unpacked to disk."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpack:
        assert unpack.stdout is not None
        with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
            for entry in archive:
                yield archive, entry
        unpack.stdout.read()  # the padding: closing early would kill dpkg-deb with a broken pipe
    if unpack.returncode:
        raise NoPages(f"{deb} is damaged (dpkg-deb: {unpack.returncode}); delete it and start again")


def is_page(entry: tarfile.TarInfo) -> bool:
    """Whether this is a file with something in it that calls itself HTML."""
    return entry.isfile() and entry.size > 0 and PAGE_NAME.search(entry.name) is not None


def write(chosen: dict[Path, set[str]], out: Path) -> tuple[Counter[str], Counter[str], int]:
    """WARC files of some 100 MB; counts by package and by declared language, and of files."""
    packages: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob("pages-*.warc.gz"):
        stale.unlink()
    pages = (page for deb, paths in chosen.items() for page in read_pages(deb, paths))
    at, files, page = 0, 0, next(pages, None)
    while page:
        with (out / f"pages-{files:05d}.warc.gz").open("wb") as stream:
            writer = RecordWriter(stream, f"pages-{files:05d}.warc.gz")
            while page and stream.tell() < FILE_BYTES:
                writer.fetched(page, at)
                packages[page.package] += 1
                languages[declared_language(page.body)] += 1
                at, page = at + 1, next(pages, None)
        files += 1
    return packages, languages, files


class RecordWriter:
    """One gzip member a record; ids and dates follow from what is written, so the same pages give the same bytes."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.writer = WARCWriter(stream, gzip=True)
        info = b"software: benchmarks/corpus.py\r\nformat: WARC File Format 1.0\r\n"
        headers = {"WARC-Filename": name, "WARC-Date": date_of(0), "WARC-Record-ID": record_id("warcinfo", name)}
        self._write("", "warcinfo", info, headers)

    def fetched(self, page: Page, at: int) -> None:
        """The request and the response of a page; `at` numbers the fetch."""
        asked = StatusAndHeaders(f"GET {page.path} HTTP/1.1", request_headers(page), is_http_request=True)
        headers = {"WARC-Date": date_of(at), "WARC-Record-ID": record_id("request", page.url)}
        self._write(page.url, "request", b"", headers, asked)
        self.respond(page.url, date_of(at), *response(page))

    def respond(self, url: str, date: str, http: list[tuple[str, str]], body: bytes, status: str = "200 OK") -> None:
        """One response record, its body as it came over the wire."""
        headers = {"WARC-Date": date, "WARC-Record-ID": record_id("response", url)}
        self._write(url, "response", body, headers, StatusAndHeaders(status, http, protocol="HTTP/1.1"))

    def metadata(self, url: str, date: str, fields: bytes) -> None:
        """What a crawler notes about a fetch."""
        headers = {"WARC-Date": date, "WARC-Record-ID": record_id("metadata", url)}
        self._write(url, "metadata", fields, headers)

    def _write(
        self, url: str, kind: str, body: bytes, headers: dict[str, str], http: StatusAndHeaders | None = None
    ) -> None:
        self.writer.write_record(
            self.writer.create_warc_record(
                url, kind, BytesIO(body), len(body), warc_headers_dict=headers, http_headers=http,
                warc_content_type="application/warc-fields" if kind in ("warcinfo", "metadata") else "",
            )
        )  # fmt: skip


def request_headers(page: Page) -> list[tuple[str, str]]:
    """What a crawler asks with."""
    return [
        ("Host", page.url.split("/")[2]),
        ("User-Agent", "fireball-corpus/1.0"),
        ("Accept", "text/html,application/xhtml+xml"),
        ("Accept-Encoding", "gzip"),
    ]


def response(page: Page) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body: a third of the pages name their charset in the header, a quarter comes compressed."""
    key = hashed(0, page.url)[0]
    charset = charset_of(page.body) if key % 3 == 0 else None
    headers = [
        ("Date", f"{FIRST_FETCH:%a, %d %b %Y %H:%M:%S} GMT"),
        ("Server", "Apache/2.4.57 (Debian)"),
        ("Content-Type", f"text/html; charset={charset}" if charset else "text/html"),
        ("Vary", "Accept-Encoding"),
    ]
    body = page.body
    if key % 4 == 1:
        body = gzip.compress(body, 6, mtime=0)
        headers.append(("Content-Encoding", "gzip"))
    return [*headers, ("Content-Length", str(len(body)))], body


def charset_of(body: bytes) -> str | None:
    """UTF-8 if it is, else what the page says of itself."""
    try:
        body.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        said = META_CHARSET.search(body[:2048])
        return said.group(1).decode() if said else None


def declared_language(body: bytes) -> str:
    """The first two or three letters of `<html lang>`."""
    said = LANGUAGE.search(body[:4096])
    return said.group(1).decode().lower() if said else "undeclared"


def hashed(seed: int, text: str) -> bytes:
    """A number for a text that is the same everywhere."""
    return sha256(f"{seed}\n{text}".encode()).digest()[:8]


def record_id(kind: str, name: str) -> str:
    """The same for the same record."""
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind} {name}')}>"


def date_of(at: int) -> str:
    """One fetch a second."""
    return f"{FIRST_FETCH + timedelta(seconds=at):%Y-%m-%dT%H:%M:%SZ}"


if __name__ == "__main__":
    sys.exit(main())
