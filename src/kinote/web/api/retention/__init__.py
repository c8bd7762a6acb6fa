"""The part of the REST API about retention: holds, rules, plans and evictions."""
