"""Write the bundled sample again, byte for byte: real pages, and one of each thing that goes wrong on the web.

python -m benchmarks.make_sample [--debs FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.corpus import NoPages, Page, RecordWriter, date_of, download, read_pages

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "pages"

# Only packages under permissive or file-level licences: samples/pages/README names them.
MANUAL, HELP = "./usr/share/doc/apache2-doc/manual", "./usr/share/libreoffice/help"
POSTGRES, PYTHON = "./usr/share/doc/postgresql-doc-15/html", "./usr/share/doc/python3.11/html"
FIRST_ARCHIVE = {
    "apache2-doc": (
        *(f"{MANUAL}/{language}/index.html" for language in ("da", "pt-br", "ru", "zh-cn", "tr")),
        *(f"{MANUAL}/{language}/filter.html" for language in ("en", "es", "fr", "ja", "ko", "tr")),
        *(f"{MANUAL}/{language}/stopping.html" for language in ("de", "es", "ja", "ko")),
    ),
    "libreoffice-help-el": (f"{HELP}/el/text/scalc/guide/csv_files.html",),
    "libreoffice-help-hi": (f"{HELP}/hi/text/scalc/guide/csv_files.html",),
    "libreoffice-help-km": (f"{HELP}/km/text/scalc/guide/csv_files.html",),
    "libreoffice-help-pl": (f"{HELP}/pl/text/scalc/guide/csv_files.html",),
    "libreoffice-help-vi": (f"{HELP}/vi/text/scalc/guide/csv_files.html",),
    "postgresql-doc-15": tuple(f"{POSTGRES}/tutorial-{part}.html" for part in ("agg", "arch", "accessdb", "concepts")),
    "python3.11-doc": tuple(f"{PYTHON}/{page}.html" for page in ("library/glob", "library/html", "c-api/bool")),
}
SECOND_ARCHIVE = {
    "apache2-doc": (
        *(f"{MANUAL}/{language}/invoking.html" for language in ("de", "en", "es", "fr", "ja", "ko", "tr")),
        *(f"{MANUAL}/{language}/bind.html" for language in ("en", "fr", "ko")),
    ),
    "libreoffice-help-id": (f"{HELP}/id/text/scalc/guide/filters.html",),
    "libreoffice-help-zh-tw": (f"{HELP}/zh-TW/text/scalc/guide/filters.html",),
}
FILES = {
    "apache2-doc": tuple(f"{MANUAL}/{language}/index.html" for language in ("de", "en", "fr", "ja", "ko")),
    "libreoffice-help-ru": (f"{HELP}/ru/text/scalc/guide/finding.html",),
    "postgresql-doc-15": (f"{POSTGRES}/mvcc-intro.html",),
}
DAMAGED = f"{MANUAL}/fr/invoking.html"


def main(args: Sequence[str] | None = None) -> int:
    """Download, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.make_sample", description=__doc__)
    parser.add_argument("--debs", type=Path, default=Path("build/debs"), help="where packages are kept (build/debs)")
    parser.add_argument("--out", type=Path, default=SAMPLE, help="the folder to write (samples/pages)")
    options = parser.parse_args(args)
    try:
        wanted = sorted(FIRST_ARCHIVE.keys() | SECOND_ARCHIVE.keys() | FILES.keys())
        debs = download(options.debs, wanted)
        options.out.mkdir(parents=True, exist_ok=True)
        write_first(options.out / "crawl-1.warc.gz", pages(debs, FIRST_ARCHIVE))
        write_second(options.out / "crawl-2-damaged.warc.gz", pages(debs, SECOND_ARCHIVE))
        write_files(options.out / "files", pages(debs, FILES))
    except NoPages as why:
        print(f"make_sample: {why}", file=sys.stderr)
        return 2
    return 0


def pages(debs: Sequence[Path], wanted: Mapping[str, Sequence[str]]) -> list[Page]:
    """The wanted pages by package and path."""
    found = [
        page
        for package, paths in wanted.items()
        for deb in debs
        if fnmatchcase(deb.name, f"{package}_*")
        for page in sorted(read_pages(deb, set(paths)), key=lambda page: page.path)
    ]
    missing = {path for paths in wanted.values() for path in paths} - {f".{page.path}" for page in found}
    if missing:
        raise NoPages(f"this release of Debian has no {min(missing)}; the sample was made of Debian 12")
    return found


def write_first(path: Path, found: Sequence[Page]) -> None:
    """A healthy archive, with what else a crawl brings home: a missing page, a picture, a note of the crawler."""
    with path.open("wb") as stream:
        writer = RecordWriter(stream, path.name)
        for at, page in enumerate(found):
            writer.fetched(page, at)
        site, date = "https://apache2-doc.example.org", date_of(len(found))
        writer.metadata(found[-1].url, date, b"fetchTimeMs: 212\r\ncharset-detected: UTF-8\r\n")
        html = [("Content-Type", "text/html; charset=utf-8")]
        gone = b"<!doctype html><html lang=en><title>404 Not Found</title><h1>Not Found</h1><p>No such page.</p></html>"
        writer.respond(f"{site}/gone.html", date, html, gone, "404 Not Found")
        dot = bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b")
        writer.respond(f"{site}/dot.gif", date, [("Content-Type", "image/gif")], dot)
        writer.respond(f"{site}/empty.html", date, html, b"")


def write_second(path: Path, found: Sequence[Page]) -> None:
    """An archive with a hole: one member's bytes are overwritten, as a bad disk leaves them; the rest is whole."""
    with path.open("wb") as stream:
        writer = RecordWriter(stream, path.name)
        for at, page in enumerate(found):
            start = stream.tell()
            writer.fetched(page, 1000 + at)
            if f".{page.path}" == DAMAGED:
                end = stream.tell()
                stream.seek(start + (end - start) // 2)
                stream.write(b"\xff" * 64)
                stream.seek(end)


def write_files(folder: Path, found: Sequence[Page]) -> None:
    """Pages as a mirror keeps them: no header says what they are."""
    folder.mkdir(exist_ok=True)
    for page in found:
        language, name = Path(page.path).parts[-2:]
        (folder / f"{page.package}.{language}.{name}").write_bytes(page.body)


if __name__ == "__main__":
    sys.exit(main())
