"""The bundled sample shows what the README says it shows."""

import re
import zlib
from collections import Counter
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator

PAGES = Path(__file__).resolve().parents[2] / "samples" / "pages"


def members(data: bytes) -> list[bytes | None]:
    """What each gzip member holds; None where it does not inflate. None of the sample's bodies hold this mark."""
    found: list[bytes | None] = []
    for start in (match.start() for match in re.finditer(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03", data)):
        try:
            found.append(zlib.decompressobj(31).decompress(data[start:]))
        except zlib.error:
            found.append(None)
    return found


def test_sample_is_small_enough_to_clone():
    assert sum(path.stat().st_size for path in PAGES.rglob("*")) < 600_000


def test_healthy_archive_holds_what_a_crawl_brings_home():
    with (PAGES / "crawl-1.warc.gz").open("rb") as stream:
        kinds = Counter(record.rec_type for record in ArchiveIterator(stream))
    assert kinds == {"warcinfo": 1, "request": 27, "response": 30, "metadata": 1}


def test_pages_come_in_several_charsets():
    with (PAGES / "crawl-1.warc.gz").open("rb") as stream:
        pages = [r.content_stream().read() for r in ArchiveIterator(stream) if r.rec_type == "response"]
    said = Counter(found[1].upper() for page in pages if (found := re.search(rb"charset=[\"']?([\w-]+)", page)))
    assert said == {b"UTF-8": 21, b"ISO-8859-1": 4, b"EUC-KR": 2}


def test_one_member_of_the_damaged_archive_does_not_inflate_and_the_others_are_records():
    found = members((PAGES / "crawl-2-damaged.warc.gz").read_bytes())
    assert found.count(None) == 1
    assert len(found) == 1 + 12 + 12
    assert all(member.startswith(b"WARC/1.0\r\n") for member in found if member is not None)


def test_plain_files_hold_pages_that_are_not_utf_8():
    korean = (PAGES / "files" / "apache2-doc.ko.index.html").read_bytes()
    assert "아파치" in korean.decode("euc-kr")


def test_names_that_are_not_sample_pages_are_hidden_from_readers():
    visible = {path.name for path in PAGES.iterdir() if not path.name.startswith("_")}
    assert visible == {"crawl-1.warc.gz", "crawl-2-damaged.warc.gz", "files"}
