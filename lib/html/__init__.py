"""One page of bytes becomes one row of fields, with provenance for each doubtful decision."""
