"""Storage commitment that Kinote gives (PS3.4 Annex J): which instances it can answer for, and what it has answered.

`judging` decides instance by instance; `given` keeps requests with their results.
"""
