"""The schemas that every row of every job starts with."""

from lib.records import OUTCOME, POSITION, PROVENANCE


def test_no_two_common_columns_share_a_name():
    names = [*PROVENANCE.names, *OUTCOME.names, POSITION.name]
    assert sorted(names) == sorted(set(names))


def test_every_common_column_says_what_it_means():
    assert all(field.metadata[b"meaning"] for field in [*PROVENANCE, *OUTCOME])
