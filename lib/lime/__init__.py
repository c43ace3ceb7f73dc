"""LIME for whole tables: what lime 0.2.0.1 answers row by row, from points that all rows share."""
