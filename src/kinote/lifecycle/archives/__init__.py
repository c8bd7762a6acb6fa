"""Archives that hold instances for Kinote: evidence that they do, and what of it counts (law 9).

`evidence` keeps the rows of `location`, and says for which instances the word of an archive counts. `asking` makes our
requests for commitment, `request_states` is the table of their states, and `taking_results` takes the results.
"""
