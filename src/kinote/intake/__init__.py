"""Bytes in: durable, indexed and registered in one transaction, in groups across all senders."""
