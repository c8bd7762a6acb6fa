"""Rows of instances and of what they belong to: an object's entry, and how a group of them comes into the index."""
