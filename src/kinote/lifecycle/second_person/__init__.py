"""Withdrawals of whole series and studies that a second person has to confirm."""
