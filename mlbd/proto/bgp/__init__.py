"""BGP-4 for a speaker that only announces, as h11 is HTTP: no socket, no clock, no task.

session      one neighbor: start here. Beneath it `opener` (when to connect), `connection` (one TCP connection, by the
             table in `fsm`, with its `timers`) and `exchange` (routes, once it is Established); `snapshot` is what can
             be said of it all, `failures` why it ended, in words
neighbor     what a session is made from, and the actions that it asks of whoever has the sockets
negotiation  what an OPEN offers, and whether the peer's will do; `negotiated` is what both make of a session
adj_rib_out  what the peer was told, and the fewest UPDATEs that make it what it should be; beneath it `family_encoder`,
             `packing`, `attributes` and `nlri`
reader       the stream of octets cut into messages; beneath it `open_message`, `capabilities`, and `update` with
             `received_attributes` and `attribute_rules` (RFC 7606); `encoding` is the other direction
messages     what two speakers say, and `numbers` how IANA counts it; `words` for people, `answers` for the machine
"""
