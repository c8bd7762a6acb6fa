"""Storage commitment on the network (PS3.4 Annex J), for both roles.

`data_sets` reads and writes requests and results. `telling` is the job that reports results to requestors.
"""
