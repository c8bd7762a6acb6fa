"""Operations and notifications in both directions of an association (PS3.7 sections 7 to 10).

`roles` tells which requests each end may send in a presentation context. `refusals` makes the responses that refuse a
request. `both_ways` waits for a response while it performs the peer's requests. `offered` is the table of the
normalized services that we provide, and `normalized` invokes those of a peer. Uses no database.
"""
