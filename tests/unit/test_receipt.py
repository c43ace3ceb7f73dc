"""The proof that all splits add up to the plan: what it takes, and what it does not."""

from __future__ import annotations

import pytest

from lib.receipt import Receipt, Tally, prove
from lib.split import Piece, Split

URI = "file:///a"
SPLITS = [Split(str(i), "k", (Piece(URI, 100 * i, 100 * i + 100, 300, "s"),)) for i in range(3)]
Covered = tuple[int, int, int]


def receipt(split: str, covered: Covered | None, unreadable: tuple[int, int] | None = None) -> Receipt:
    """Of records that cover begin to end, the last of which begins where the third number says."""
    found = Receipt(split, rows_by_uri={URI: 1})
    if covered:
        found.covered = {URI: list(covered)}
    if unreadable:
        found.unreadable = {URI: list(unreadable)}
    return found


def proven(*receipts: Receipt) -> list[str]:
    return prove(SPLITS, {found.split: found for found in receipts}, {"k": "bytes"})


@pytest.mark.parametrize(
    ("covered", "wrong"),
    [
        ([(0, 130, 80), (130, 210, 190), (210, 300, 280)], None),
        ([(0, 130, 80), (160, 210, 190), (210, 300, 280)], "130 to 160 is missing or doubled, at split 1"),
        ([(0, 130, 80), (110, 210, 190), (210, 300, 280)], "130 to 110 is missing or doubled, at split 1"),
        ([(0, 300, 80), None, None], None),
        ([(0, 130, 80), (130, 210, 190), None], "covered up to 210 of 300"),
    ],
)
def test_records_follow_each_other(covered: list[Covered | None], wrong: str | None) -> None:
    assert proven(*map(receipt, "012", covered)) == ([f"{URI}: {wrong}"] if wrong else [])


def test_a_split_that_could_not_be_read_is_its_own_stretch_whatever_reaches_into_it() -> None:
    before, lost = receipt("0", (0, 130, 80)), receipt("1", (100, 200, 100), (100, 100))
    assert proven(before, lost, receipt("2", (220, 300, 280))) == []
    assert proven(before, lost, receipt("2", None)) == []


def test_a_split_that_could_not_be_read_to_its_end_excuses_only_what_is_behind() -> None:
    lost = receipt("1", (130, 200, 190), (190, 190))
    behind = receipt("2", (220, 300, 280))
    assert proven(receipt("0", (0, 130, 80)), lost, behind) == []
    late = receipt("1", (160, 200, 190), (190, 190))
    assert proven(receipt("0", (0, 130, 80)), late, behind) == [f"{URI}: 130 to 160 is missing or doubled, at split 1"]
    doubled = receipt("2", (110, 300, 280))
    assert proven(receipt("0", (0, 130, 80)), lost, doubled) == [f"{URI}: 200 to 110 is missing or doubled, at split 2"]


def test_a_stretch_that_could_not_be_read_excuses_no_gap_before_it() -> None:
    lost = receipt("1", (100, 200, 100), (100, 100))
    assert proven(receipt("0", (0, 90, 80)), lost, receipt("2", (220, 300, 280))) == [
        f"{URI}: 90 to 100 is missing or doubled, at split 1"
    ]


def test_stretches_that_could_not_be_read_are_known_behind_any_number_of_failures() -> None:
    tally = Tally(SPLITS[0])
    for at in range(150):
        tally.count_one(URI, at, 1, "failed", "crash")
    tally.count_one(URI, 150, 50, "failed", "unreadable")
    assert Receipt.load(tally.receipt.dump()).unreadable == {URI: [150, 150]}
