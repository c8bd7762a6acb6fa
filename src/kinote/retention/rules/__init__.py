"""The rules of retention, as data: the first that matches a unit decides. No expression language."""
