"""How alerts reach people: what is due to be told, messages, mail, webhooks, and the job that sends them.

Uses `holdings` (the rows of alerts) and `jobs`. Nothing that is sent comes from what was received: messages are made of
fixed texts by code, moments and numbers, so that none can name a patient.
"""
