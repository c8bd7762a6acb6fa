"""How alerts reach people: what is due, messages, mail, webhooks, and the job that sends them.

Uses `holdings` (the rows of alerts) and `jobs`. Messages contain nothing that was received: only fixed texts by code,
times and numbers, so that none can name a patient.
"""
