"""Deliveries as rows: ordering one, making its manifest, sending it, and its account.

A delivery (`outgoing_delivery`) is ordered in the transaction that requires it, and one job carries it out. Its objects
(`delivery_object`) are manifest and progress in one table. The ledger (`delivery`) is written with them.
"""
