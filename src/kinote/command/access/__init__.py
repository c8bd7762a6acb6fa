"""The commands about users, API tokens and the audit trail. `typed` has their syntax."""
