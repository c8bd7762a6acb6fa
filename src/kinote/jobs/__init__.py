"""Durable work: jobs are rows, written in the transaction of the data that they serve, and done by servers' workers.

Its tables (`kinote.catalog.schema.tables.jobs`) are read and written here alone. Rooms above say what a kind of job
does, and `app` registers their handlers. No job's state is an input to visibility or to deletion (law 2), and every job
ends (law 3).
"""
