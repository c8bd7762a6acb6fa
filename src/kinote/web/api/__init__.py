"""The REST API under `/api/v1`; OpenAPI describes it at `/api/v1/openapi.json`.

Translates requests into calls of the packages below, and their results into JSON; has no SQL.
"""
