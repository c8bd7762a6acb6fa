"""What `/api/v1/openapi.json` says beside what FastAPI finds out: shapes of answers, and problems."""
