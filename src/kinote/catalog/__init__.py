"""The index: tables, transactions, the live view, matching, the change feed, schema migrations.

All differences between SQLite and PostgreSQL are in `sql.dialects`. May use `kinote.dicom` and `kinote.keyobject`.
Each of its parts may use only those after it: queries, instances, transactions, schema, sql and columns.
"""
