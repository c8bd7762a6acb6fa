"""HTTP connections before there is a request, and while bytes flow: how many, how large, how slow.

`limits` says what is allowed; `admission` counts connections, `pace` measures a flow of bytes: both are pure.
`doorkeeper` has all connections of a server and looks at them once a second; `protocol` is one connection, on uvicorn's
server, `handshake` the TLS in front of it; `progress` asks the system what a client has taken; `refusals` are the
answers to what does not become a request; `clients` counts the requests of each client; `proxies` are believed when
they name it; `addresses` says which are of this machine.
"""
