"""What the index consists of: its tables, the live view, moments as texts, and how older indexes become this one."""
