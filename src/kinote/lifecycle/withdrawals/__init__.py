"""Withdrawals: removing instances from operational use (PS3.17 YYYY.2.3), and undoing it.

`withdrawal` makes and ends one, `scope` says what it would withdraw. `lists`, `reasons` and `removed` answer what was
withdrawn, why, and by whom.
"""
