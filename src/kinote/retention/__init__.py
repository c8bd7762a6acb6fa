"""Retention: keeps the cache within bounds by rules that people set.

`rules` says what may be evicted (the first match decides), in Python and as SQL. `units` counts what each study has in
the cache, so that no plan walks over instances. `planning` decides the order, and stores plans. `evictions` carries
them out. Nothing here reads the state of a job, or changes a standing.
"""
