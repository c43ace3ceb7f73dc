"""Fitted models: reading them safely, asking them, making them."""
