"""Side by side: what checking a host costs, by us and by others; see ``python -m bench``."""
