"""What each study has in the cache, counted so that plans need not walk over instances.

The counts are derived. `following` counts a study again whenever the change feed reports a change, and all studies in
rounds. A slightly old count does no harm, because each object is checked again before eviction.
"""
