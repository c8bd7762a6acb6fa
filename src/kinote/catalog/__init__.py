"""The index: tables, transactions, the live view, matching, the change feed, schema migrations.

All that differs between SQLite and PostgreSQL stands in `sql.dialects`. May use `kinote.dicom` and
`kinote.keyobject`. Its parts point down only: queries, instances, transactions, schema, sql and columns.
"""
