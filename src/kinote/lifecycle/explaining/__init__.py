"""Answers to people about objects: why one is visible or not, why one is missing, and the account of a study.

`missing` goes through the causes of `not_arrived` and `not_shown` in their order; `asked` has what they share. Only
reads.
"""
