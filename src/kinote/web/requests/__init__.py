"""What every request passes before its endpoint is called: where it comes from, who sends it, its right, audit and log.

`permitted` is the start: it determines the `actor` and checks the right. `guard` checks where requests come from, and
`identified` who sends them. `recording` makes audit entries. `request_log` is the outermost middleware.
"""
