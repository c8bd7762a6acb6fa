"""Kinote, a Key Image Notes server: studies in, key images marked, Key Object Selection documents out."""

#: The same as in pyproject.toml; where Kinote is not installed, nothing else says it.
__version__ = "0.1.0"
