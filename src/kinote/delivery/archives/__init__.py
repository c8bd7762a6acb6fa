"""Archives on the network: asking them for storage commitment, and bringing objects back from them.

`results` takes what archives report, `asking` is the job that asks, `following` looks what is to be asked or overdue;
`recall` brings one object back, and `fetching` is how.
"""
