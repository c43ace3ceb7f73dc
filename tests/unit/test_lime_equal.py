"""Our answers are those of lime 0.2.0.1 with the same seed."""

import warnings

import pytest
from lime_grid import Data, cases, data_sets, difference
from threadpoolctl import threadpool_limits

CLOSE = 1e-9


@pytest.fixture(scope="module")
def data() -> dict[str, Data]:
    return data_sets()


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # lime's regressions are often singular
        yield


def test_forty_random_configurations_equal_lime(data: dict[str, Data]) -> None:
    found = {case: difference(data[case.data], case, count=1) for case in cases(40)}

    assert {case: off for case, off in found.items() if off > CLOSE} == {}


def test_another_seed_gives_another_answer(data: dict[str, Data]) -> None:
    several = [case for case in cases(40) if case.selection == "none" and case.data != "iris"]

    assert all(difference(data[case.data], case, count=1, seed=case.seed + 1) > 1e-6 for case in several[:4])


@pytest.mark.figures
def test_the_full_grid_equals_lime(data: dict[str, Data]) -> None:
    found = {case: difference(data[case.data], case, count=4) for case in cases(400, seed=7)}
    print(f"{len(found)} configurations x 4 rows: worst {max(found.values()):.1e}")

    assert {case: off for case, off in found.items() if off > CLOSE} == {}


@pytest.mark.figures
def test_narrow_kernels_equal_lime(data: dict[str, Data]) -> None:
    narrow = [case for case in cases(300, seed=11, widths=(0.2, 0.5)) if case.kernel_width is not None]
    found = {case: difference(data[case.data], case, count=3) for case in narrow}
    print(f"{len(found)} narrow configurations x 3 rows: worst {max(found.values()):.1e}")

    assert {case: off for case, off in found.items() if off > CLOSE} == {}
