"""Pictures of any kind to training-ready ones: read, classify, convert, encode."""
