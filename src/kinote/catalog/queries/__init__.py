"""Queries by patient, study, series and instance: one engine for QIDO-RS and C-FIND."""
