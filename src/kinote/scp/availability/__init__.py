"""Instance Availability Notification as SCP (PS3.4 Annex R): which instances peers say they have.

`notification` reads the data set, `taking` performs the N-CREATE. Each notice is stored as a row. It never affects
visibility, eviction or deletion.
"""
