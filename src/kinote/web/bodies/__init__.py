"""Bodies of requests and responses, as streams: multipart, compression, content negotiation, and work behind a body.

Knows no path and no right.
"""
