"""Storage commitment on the network (PS3.4 Annex J), for both roles.

`data_sets` reads and writes what requests and results say; `telling` tells requestors their results, by a job.
"""
