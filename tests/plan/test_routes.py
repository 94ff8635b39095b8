from __future__ import annotations

from mlbd.plan.plan import plan

from .builders import (
    bgp,
    nodes,
    peer,
    pool,
    reason,
    routes,
    service,
    world,
)

POOL = pool("pool", "192.0.2.0/24", "2001:db8::/64")


def test_every_node_announces_every_address_to_its_peers() -> None:
    web = service(pins="192.0.2.7")
    what = world(*nodes(3), POOL, peer(), bgp(), web)
    for name in ("node-1", "node-2", "node-3"):
        planned = plan(what, name)
        assert list(planned.peers) == ["peer"]
        assert routes(planned) == {"192.0.2.7/32": ""}
        assert {str(address) for address in planned.advertised} == {"192.0.2.7"}
        assert reason(planned, web) == "" and not planned.problems
        assert set(planned.services[web.key].nodes.values()) == {None}
    (vip,) = plan(what, "node-1").vips.values()
    assert vip.order == () and not plan(what, "node-1").claims
