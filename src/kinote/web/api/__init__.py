"""The REST API under `/api/v1`; OpenAPI describes it at `/api/v1/openapi.json`."""
