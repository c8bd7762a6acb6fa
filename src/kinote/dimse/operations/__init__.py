"""Operations and notifications in both directions of an association (PS3.7 sections 7 to 10).

`roles` says what may be sent in a presentation context, `refusals` how a request is refused, `both_ways` waits for
answers while the peer's requests are performed, `offered` is the table of the normalized services that are offered,
and `normalized` uses those of a peer. Knows no database.
"""
