"""What each study has in the cache, counted beside the rows that say it, so that plans need not walk over instances.

The counts are a cache. `following` counts a study again whenever the change feed tells of it, and all of them one
after the other in rounds. A count that is a little old does no harm: whoever evicts looks at each object again.
"""
