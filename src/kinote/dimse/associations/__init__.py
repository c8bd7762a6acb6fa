"""Associations (PS3.8 7.1, PS3.7 6.3): opening, accepting and negotiating them, and the messages on them.

`acceptor` and `requestor` begin an association, `admission` limits how many there are, and `association` sends and
receives its messages.
"""
