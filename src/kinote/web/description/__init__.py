"""What `/api/v1/openapi.json` adds to FastAPI's own description: shapes of responses, and problems."""
