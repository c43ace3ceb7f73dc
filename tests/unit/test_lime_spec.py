"""What a table looks like is exact, and the same however it was cut."""

from fractions import Fraction

import numpy as np
import pyarrow as pa

from lib.lime.census import ExactSums, NumericCensus, edges, squares
from lib.lime.features import matrix
from lib.lime.neighborhood import Neighborhood
from lib.lime.spec import Column, TableSpec


def test_sums_lose_nothing() -> None:
    sums = ExactSums()

    sums.add(np.zeros(3, np.int64), np.array([1e16, 1.0, -1e16]))

    assert sums.totals(1) == [Fraction(1)]


def test_a_square_is_two_doubles() -> None:
    high, low = squares(np.array([1.1]))

    assert Fraction(high[0]) + Fraction(low[0]) == Fraction(1.1) ** 2


def test_parts_add_up_to_the_whole_in_any_order() -> None:
    values = np.random.default_rng(0).lognormal(3, 2, 999)
    cuts = {"quartile": edges(values, "quartile"), "decile": edges(values, "decile")}
    whole, parts = NumericCensus(cuts), [NumericCensus(cuts) for _ in range(3)]
    whole.add(values)
    for part, piece in zip(parts, np.array_split(values[::-1], 3), strict=True):
        part.add(piece)

    parts[2].merge(parts[0])
    parts[2].merge(parts[1])

    assert parts[2].column("x") == whole.column("x")


def test_bins_have_lime_s_numbers() -> None:
    census = NumericCensus({"quartile": [2.0, 4.0]})

    census.add(np.array([1.0, 2.0, 3.0, 4.0, 9.0, np.nan]))

    column = census.column("x")
    bins = column.bins["quartile"]
    assert (column.missing, bins.counts, bins.means) == (1, (2, 2, 1), (1.5, 3.5, 9.0))
    assert (bins.mins, bins.maxs) == ((1.0, 2.0, 4.0), (2.0, 4.0, 9.0))
    assert bins.stds[2] == 1e-11


def test_a_bin_of_one_value_is_drawn_as_that_value_and_as_a_score_by_lime() -> None:
    values = np.array([2000.0] * 50 + [2001.0, 2002.0, 2003.0, 2004.0] * 10)
    census = NumericCensus({"quartile": edges(values, "quartile")})
    census.add(values)
    spec = TableSpec(len(values), (census.column("year"),))

    fixed = Neighborhood(spec, "quartile", "fixed", False).draw(200, 0)
    lime = Neighborhood(spec, "quartile", "lime", False).draw(200, 0)

    assert fixed.values[1:].min() == 2000.0
    assert lime.values[1:].min() == 0.0


def test_text_becomes_its_place_in_the_list_and_an_unseen_one_a_code_of_its_own() -> None:
    rows = pa.array([{"colour": "red"}, {"colour": "blue"}, {"colour": "pink"}])

    values, failures = matrix(rows, [Column("colour", categories=("blue", "red"))], missing_ok=False)

    assert (values.ravel().tolist(), failures) == ([1.0, 0.0, 2.0], {})


def test_text_in_a_column_of_numbers_is_named() -> None:
    rows = pa.array([{"age": "41"}])

    _, failures = matrix(rows, [Column("age")], missing_ok=False)

    assert failures[0] == ("wrong_type", "age: expected a number, the column is string")


def test_missing_values_have_a_bin_of_their_own() -> None:
    census = NumericCensus({"quartile": [0.0]})
    census.add(np.array([-1.0, 1.0, np.nan, np.nan]))
    hood = Neighborhood(TableSpec(4, (census.column("x"),)), "quartile", "fixed", missing_bin=True)

    points = hood.draw(1001, 0)

    assert hood.encode(np.array([[np.nan]])).tolist() == [[2.0]]
    assert 0.45 < np.isnan(points.values[1:]).mean() < 0.55
