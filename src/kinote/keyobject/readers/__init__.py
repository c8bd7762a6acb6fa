"""The parts of the tolerant reader: one for each part of a document, and caches of what elements and items mean.

Each adds findings and never raises. Used by `reader`.
"""
