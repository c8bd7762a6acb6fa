"""Rows of instances, studies and series: the entry of an object, and how a group of entries is written."""
