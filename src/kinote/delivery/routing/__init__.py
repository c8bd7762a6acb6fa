"""Routes: rules by which objects are delivered without anybody asking.

A route is data: when it acts, under which conditions, and what goes where. `following` reads the change feed and has
routes act, so that nobody who stores an object or makes a note waits for a route, or fails with it. The position in the
feed and the deliveries are written in one transaction: a route acts once on each thing that happens, whatever is
killed, and whichever server does it. `selecting` is the SQL of the conditions and of the objects, for acting and for
the dry run alike.
"""
