"""HTTP connections before there is a request, and while bytes flow: their number, size and speed.

`limits` has the limits. `admission` counts connections and `pace` measures a flow of bytes; neither does I/O.
`doorkeeper` has all connections of a server and checks them once a second. `protocol` is one connection, based on
uvicorn's; `handshake` is the TLS before it. `progress` asks the system how much a client has received. `refusals` are
the responses to what does not become a request. `clients` counts the requests of each client. `proxies` may name the
client. `addresses` tells which are of this machine.
"""
