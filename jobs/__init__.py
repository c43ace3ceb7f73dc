"""The jobs, one module each; the folder is the registry."""
