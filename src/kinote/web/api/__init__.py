"""The REST API under `/api/v1`; OpenAPI describes it at `/api/v1/openapi.json`.

Turns requests into calls of the rooms below, and their answers into JSON; has no SQL.
"""
