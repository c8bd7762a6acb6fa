"""Routes: rules by which objects are delivered automatically.

A route is data: when it acts, under which conditions, and what it sends where. `following` reads the change feed and
runs the routes, so storing an object or making a note never waits for a route or fails because of one. The position in
the feed and the deliveries are written in one transaction: a route acts exactly once on each change, whatever is
killed, and whichever server does it. `selecting` is the SQL of the conditions and of the objects, used for acting and
for the dry run.
"""
