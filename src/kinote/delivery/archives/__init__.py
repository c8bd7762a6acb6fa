"""Archives on the network: requesting storage commitment, and recalling objects.

`asking` is the job that requests commitment, `results` takes what archives report. `following` finds what to request
and what is overdue. `recall` brings an object back, using `fetching`.
"""
