"""Associations that others open: what is offered to whom, which user a peer names, and how its requests are served.

`offered` says what is accepted from a caller. `serving` performs one request after another, with a `session` for what
performers need. `report` and `metrics` say how an association went.
"""
