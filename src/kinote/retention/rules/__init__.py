"""The rules of retention, as data: the first that matches a unit decides. There is no expression language."""
