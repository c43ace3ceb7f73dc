"""What the jobs share: pure Python, and below `lib.spark` the only code that imports pyspark."""
