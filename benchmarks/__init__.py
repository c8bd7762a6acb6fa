"""Measurements: each a program that prints what it measured, with percentiles."""
