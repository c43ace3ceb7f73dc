"""How Python and code reach a cluster."""
