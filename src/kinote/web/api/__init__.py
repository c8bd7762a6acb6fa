"""The REST API under `/api/v1`; OpenAPI describes it at `/api/v1/openapi.json`.

Translates requests into calls of the packages below, and their results into JSON; has no SQL. `router` joins all
parts. `protocol` has what they share. Each other sub-room has the paths of one subject.
"""
