"""Durable jobs: rows that are written in the transaction of the data they serve, and run by the servers' workers.

Only this package reads and writes its tables (`kinote.catalog.schema.tables.jobs`). The packages above define the kinds
of jobs, and `app` registers their handlers. No job's state is an input to visibility or deletion (law 2), and every job
ends (law 3).
"""
