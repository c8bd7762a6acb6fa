"""Answers to people about objects: why one is visible or not, why one is missing, and the account of a study.

Only reads.
"""
