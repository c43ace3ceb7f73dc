"""How good the main text is: precision, recall and F1 of four-word shingles against public ground truth.

    python benchmarks/main_text.py --articles FOLDER --docs FOLDER

--articles: the test pages of Mozilla's Readability (source.html and expected.html in a folder each), as in
            `go mod download codeberg.org/readeck/go-readability/v2@v2.1.3`, folder test-pages. The truth is what
            Readability's maintainers accepted as its answer, which favours extractors that think alike.
--docs:     a folder of Debian's documentation packages, unpacked. The truth is the element that the page's own theme
            calls its main one (role=main, <main>, <article>), or the page without its navigation header and footer.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import turbohtml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.html import main_text
from lib.html.blocks import tokens, union

NAVIGATION = ".headerlink, .navheader, .navfooter, .NAVHEADER, .NAVFOOTER, nav, script"
FEWEST_WORDS = 50
PER_PACKAGE = 40
Page = tuple[str, str]  # HTML, true main text


def main() -> None:
    """Print one table a corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=Path)
    parser.add_argument("--docs", type=Path)
    args = parser.parse_args()
    for folder, pages in ((args.articles, articles), (args.docs, documentation)):
        if folder:
            report(folder, list(pages(folder)))


def report(folder: Path, pages: list[Page]) -> None:
    """Means over pages."""
    print(f"{folder.name}: {len(pages)} pages")
    scores: dict[str, list[tuple[float, float, float]]] = {}
    for html, truth in pages:
        for name, text in answers(html).items():
            scores.setdefault(name, []).append(score(truth, text))
    for name, each in scores.items():
        precision, recall, f1 = (sum(column) / len(each) for column in zip(*each, strict=True))
        print(f"  {name:12s} precision {precision:.3f}  recall {recall:.3f}  F1 {f1:.3f}")


def answers(html: str) -> dict[str, str]:
    """What each mode of main_text says, and all visible text."""
    visible = turbohtml.parse(html).to_text()
    fast, quality = main_text.fast(html), main_text.quality(html)
    lines = "\n".join(dict.fromkeys([*quality.splitlines(), *fast.splitlines()]))
    return {
        "visible text": visible,
        "fast": fast,
        "quality": quality,
        "plain union": lines,
        "union": union(visible, fast, quality),
    }


def score(truth: str, text: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of the multisets of shingles."""
    true, found = shingles(truth), shingles(text)
    common = sum((true & found).values())
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / sum(found.values()), common / sum(true.values())
    return precision, recall, 2 * precision * recall / (precision + recall)


def shingles(text: str, size: int = 4) -> Counter[tuple[str, ...]]:
    """Overlapping runs of words."""
    words = tokens(text)
    return Counter(tuple(words[start : start + size]) for start in range(max(1, len(words) - size + 1)))


def articles(folder: Path) -> Iterator[Page]:
    """News and blogs."""
    for expected in sorted(folder.glob("*/expected.html")):
        truth = turbohtml.parse(expected.read_text(errors="replace")).to_text()
        if len(tokens(truth)) >= FEWEST_WORDS:
            yield (expected.parent / "source.html").read_text(errors="replace"), truth


def documentation(folder: Path) -> Iterator[Page]:
    """Manuals in many languages, at most so many of a package."""
    paths = sorted(path for path in folder.rglob("*.html") if path.is_file())
    random.Random(5).shuffle(paths)
    taken: Counter[str] = Counter()
    for path in paths:
        package = re.sub(r".*/doc/([^/]+)/.*", r"\1", str(path))
        if taken[package] < PER_PACKAGE:
            html = path.read_text(errors="replace")
            truth = theme_main(html)
            if truth is not None and len(tokens(truth)) >= FEWEST_WORDS:
                taken[package] += 1
                yield html, truth


def theme_main(html: str) -> str | None:
    """What the page's theme marks as its main part; None where it marks nothing."""
    document = turbohtml.parse(html)
    find: list[Callable[[], turbohtml.Element | None]] = [
        lambda: document.select_one("div[role=main]"),
        lambda: document.select_one("main"),
        lambda: document.select_one("article"),
        lambda: document.find("body") if "navheader" in html else None,
    ]
    main = next((element for look in find if (element := look()) is not None), None)
    return None if main is None else main.remove(NAVIGATION).to_text()


if __name__ == "__main__":
    main()
