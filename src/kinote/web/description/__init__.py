"""What `/api/v1/openapi.json` adds to FastAPI's own description: shapes of responses, and problems.

`openapi` joins the shapes, of which each subject has a file; `shapes` has those of studies, notes and jobs.
"""
