"""Languages, keywords, words and the union of two extractors."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from unit.test_html_kernel import rows

from lib.html.blocks import union
from lib.html.keywords import count_keywords
from lib.html.language import detect_language
from lib.html.options import ParseHtml
from lib.html.words import find_words, simhashes


def word_counts(*texts: str | None) -> list[int]:
    bounds = find_words(pa.array(texts, pa.string())).bounds
    return [int(after - before) for before, after in itertools.pairwise(bounds)]


def simhash(text: str) -> int:
    return int(simhashes(find_words(pa.array([text])))[0][0])


def test_words_are_split_at_white_space_and_do_not_reach_over_texts() -> None:
    assert word_counts("one two", "three", "", None, " \n", "a\tb  c") == [2, 1, 0, 0, 0, 3]
    assert word_counts() == []


def test_words_of_a_slice_are_its_own() -> None:
    bounds = find_words(pa.array(["a b", "c", "d e f"]).slice(1)).bounds
    assert list(bounds) == [0, 1, 4]


def test_simhash_knows_equal_texts_and_near_ones_from_others() -> None:
    text = " ".join(f"word{number}" for number in range(400))
    near, other = text.replace("word200", "changed"), " ".join(f"term{number}" for number in range(400))
    assert simhash(text) == simhash(text.upper())
    assert (simhash(text) ^ simhash(near)).bit_count() <= 6
    assert (simhash(text) ^ simhash(other)).bit_count() >= 16


def test_simhash_does_not_depend_on_the_batch() -> None:
    texts = ["some words here", "and others there", None, "x"]
    together, wordless = simhashes(find_words(pa.array(texts)))
    assert [int(each) for each in together[[0, 1, 3]]] == [simhash(text) for text in texts if text]
    assert list(wordless) == [False, False, True, False]


def test_long_words_that_differ_at_the_end_have_other_hashes() -> None:
    assert simhash("internationalisation1") != simhash("internationalisation2")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The quick brown fox jumps over the lazy dog and runs away from it", "eng"),
        ("Der schnelle braune Fuchs springt über den faulen Hund und läuft dann weg", "deu"),
        ("Быстрая коричневая лиса прыгает через ленивую собаку и убегает", "rus"),
        ("素早い茶色の狐がのろまな犬を飛び越えて、そのまま走り去っていきました", "jpn"),
        ("敏捷的棕色狐狸跳过了懒狗然后跑开了。敏捷的棕色狐狸跳过了懒狗然后跑开了", "cmn"),
        ("too short", None),
        ("0123456789 0123456789 0123456789", None),
    ],
)
def test_language(text: str, language: str | None) -> None:
    assert detect_language(text) == language


def test_union_keeps_what_either_keeps_in_document_order_and_once() -> None:
    visible = "menu\nfirst paragraph of text\na caption that one drops\nsecond paragraph of text\nfooter of the page"
    fast = "first paragraph of text\na caption that one drops"
    quality = "second paragraph of text\nfirst paragraph of text"
    assert union(visible, fast, quality) == (
        "first paragraph of text\na caption that one drops\nsecond paragraph of text"
    )


def test_union_leaves_out_what_only_the_fast_one_keeps_far_from_the_article() -> None:
    visible = "far away navigation text\n1 2 3\n4 5 6\n7 8 9\nthe long article of this page"
    assert union(visible, "far away navigation text", "the long article of this page") == (
        "the long article of this page"
    )


def test_union_falls_back_to_the_fast_one_where_the_quality_one_failed() -> None:
    visible = "title here\nfirst paragraph of text\nsecond paragraph of text\nthird paragraph of text"
    fast = "first paragraph of text\nsecond paragraph of text\nthird paragraph of text"
    assert union(visible, fast, "title here") == fast


class TestKeywords:
    """One automaton over the visible text."""

    def count(self, html: bytes, *keywords: str, whole_words: bool = True) -> dict[str, int]:
        return count_keywords(html, keywords, whole_words)

    def test_visible_text_is_searched_and_nothing_else(self) -> None:
        page = b"<title>Spark</title><p id=spark>Spark and <b>spark</b>s.<script>spark</script><!-- spark -->"
        assert self.count(page, "spark", "hadoop") == {"spark": 1}
        assert self.count(page, "spark", whole_words=False) == {"spark": 2}

    def test_case_is_folded_in_every_script(self) -> None:
        page = "<p>Straße STRASSE ΣΊΣΥΦΟΣ".encode()
        assert self.count(page, "strasse", "σίσυφος") == {"strasse": 2, "σίσυφος": 1}

    def test_a_phrase_reaches_over_white_space_and_keywords_overlap(self) -> None:
        assert self.count(b"<p>New <b>York\n</b>City", "New York", "york", "York City") == {
            "New York": 1,
            "york": 1,
            "York City": 1,
        }

    def test_spellings_that_fold_alike_are_both_counted(self) -> None:
        assert self.count(b"<p>go GO", "Go", "GO") == {"Go": 2, "GO": 2}

    def test_the_kernel_fills_keyword_counts(self) -> None:
        found = rows(b"<p>one two one", b"<p>none", options=ParseHtml(keywords=("one", "three")))
        assert [row["keyword_counts"] for row in found] == [[("one", 2)], []]
