"""docs/parse_html.md keeps up with the job."""

from __future__ import annotations

from pathlib import Path

from jobs.parse_html import JOB

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parse_html.md"


def test_every_column_and_its_meaning_stand_in_the_docs() -> None:
    text = PAGE.read_text(encoding="utf-8").replace("&lt;", "<").replace("\\|", "|")
    missing = [
        field.name
        for field in JOB.output_schema
        if f"| `{field.name}` |" not in text or field.metadata[b"meaning"].decode() not in text
    ]
    assert missing == []
