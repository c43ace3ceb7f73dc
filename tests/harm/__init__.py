"""Records that do harm, for the tests."""
