"""The schema of the index: its tables, the live view, moments as texts, and migrations of older indexes."""
