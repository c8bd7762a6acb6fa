"""The life cycle of instances: acts, standing, withdrawals, held copies, counters, and what is owed to others.

`acts` is the table of acts, `guards` what has to hold before anything goes on, `standing` the result of the
withdrawals that name an instance. The only room that changes a standing. May use `kinote.catalog` and what is below it.
"""
