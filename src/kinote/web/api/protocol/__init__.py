"""What all parts of the REST API share: pages and JSON responses, `Idempotency-Key`, `If-Match`, and forms of values.

Has no routes, and knows no subject.
"""
