"""Side by side: what making and checking build hosts costs, by us and by others; see ``python -m bench``."""
