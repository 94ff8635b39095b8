"""A node with the whole daemon, routers beside it as a test wants them, and the objects that make the two speak."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from tests.daemon.cluster import Cluster, Daemon, cluster
from tests.daemon.objects import Manifest, metallb, service
from tests.lab import Host, Lab, wait_for

from .bird import Bird
from .frr import Frr
from .gobgp import Gobgp
from .peer import Path, Peer, Session

NODE, NODE_IPV6, NODE_AS, ROUTER_AS = "192.0.2.11", "2001:db8::11", 64512, 64500
ADDRESS, ADDRESS_IPV6 = "198.51.100.7", "2001:db8:1::7"
PREFIX, PREFIX_IPV6 = f"{ADDRESS}/32", f"{ADDRESS_IPV6}/128"
PEER: Final = "tor"
SECONDS: Final = 20

Router = Frr | Bird | Gobgp
Kind = TypeVar("Kind", bound=Router)


def bgp_peer(address: str | None, annotations: dict[str, str] | None = None, **spec: Any) -> Manifest:
    """A field that is None is left out."""
    wanted = {"myASN": NODE_AS, "peerASN": ROUTER_AS, "peerAddress": address, "holdTime": "9s"} | spec
    found = metallb("BGPPeer", PEER, **{field: value for field, value in wanted.items() if value is not None})
    found["apiVersion"] = "metallb.io/v1beta2"
    found["metadata"]["annotations"] = {f"mlbd.io/{name}": value for name, value in (annotations or {}).items()}
    return found


class Site:
    """One node at 192.0.2.11 and 2001:db8::11, whose Service has an address of each family out of a pool for BGP."""

    def __init__(self, lab: Lab, nodes: Cluster) -> None:
        self.lab, self.lan = lab, nodes.lan
        self.node: Daemon = nodes.first
        self._hosts: list[Host] = []

    def host(self) -> Host:
        """Of a router: 192.0.2.21 and 2001:db8::21, then 22."""
        number = 21 + len(self._hosts)
        host = self.lab.host(f"r{number}")
        host.connect(self.lan, "eth0", f"192.0.2.{number}/24", f"2001:db8::{number}/64")
        self._hosts.append(host)
        return host

    def router(
        self, kind: type[Kind], asn: int = ROUTER_AS, node_as: int = NODE_AS, address: str = NODE, **neighbor: Any
    ) -> Kind:
        """`address` and `neighbor` are the node's, as Peer has them."""
        host = self.host()
        return kind(host, asn, address_of(host), Peer(node_as, address, **neighbor))

    def peer(self, router: Router, annotations: dict[str, str] | None = None, **spec: Any) -> None:
        self.node.write("peer.yaml", bgp_peer(address_of(router.host), annotations, **spec))

    def advertise(self, **spec: Any) -> None:
        self.node.write("advertisement.yaml", metallb("BGPAdvertisement", "all", **spec))

    def serve(self) -> None:
        wanted = {"metallb.io/loadBalancerIPs": f"{ADDRESS},{ADDRESS_IPV6}"}
        self.node.write("web.yaml", service("web", dual=True, annotations=wanted))

    def status(self, name: str = PEER) -> Any:
        """Of the session, {} without one."""
        return next((peer for peer in self.node.get("peers") if peer["name"] == name), {})

    def is_established(self, name: str = PEER) -> bool:
        return bool(self.status(name).get("state") == "established")

    def wait_until_established(self, name: str = PEER) -> None:
        try:
            wait_for(lambda: self.is_established(name), SECONDS)
        except AssertionError:
            raise AssertionError(f"no session with {name}: {self.status(name)}") from None

    def wait_for_words(self, *words: str, field: str = "error", seconds: float = SECONDS) -> str:
        """The text of that field, once it has all of the words."""
        try:
            wait_for(lambda: all(word in self.status().get(field, "") for word in words), seconds)
        except AssertionError:
            raise AssertionError(f"no {words} in {field} of {self.status()}") from None
        return str(self.status()[field])

    def wait_for_loss(self, *words: str) -> None:
        """Of the session that is; of one before by that name the reason may still be told."""
        wait_for(lambda: self.status().get("counters", {}).get("lost"), SECONDS, "the loss of the session")
        self.wait_for_words(*words, field="lost_why")

    def revive(self) -> None:
        """A test that failed may leave the node dead."""
        assert self.node.process
        if self.node.process.poll() is not None:
            self.node.run()

    def quit(self) -> None:
        """The routers of the test are gone."""
        for host in self._hosts:
            host.power_off()


@contextlib.contextmanager
def node_with_a_service(lab: Lab) -> Iterator[Site]:
    with cluster(lab, 1, holdDown="0s") as nodes:
        nodes.remove("class.yaml")  # what has no pool of its own would be for layer 2
        site = Site(lab, nodes)
        pool = metallb("IPAddressPool", "routed", addresses=["198.51.100.0/24", "2001:db8:1::/120"])
        site.node.write("pool.yaml", pool)
        site.advertise()
        site.serve()
        site.node.addresses("web")
        yield site
        site.node.assert_no_traceback()


@contextlib.contextmanager
def untouched(site: Site) -> Iterator[Site]:
    """What a test wrote and started does not outlive it."""
    try:
        with site.node.restored():
            yield site
    finally:
        site.quit()
        site.revive()


def address_of(host: Host) -> str:
    return f"192.0.2.{host.name.removeprefix('r')}"


def link_local(host: Host) -> str:
    """Of its first link."""
    (link,) = json.loads(host.ip("-json", "address", "show", "dev", "eth0"))
    return next(str(entry["local"]) for entry in link["addr_info"] if entry["scope"] == "link")


def session_of(router: Router, address: str = NODE) -> Session:
    """With the node, as the router sees it."""
    return router.session() if isinstance(router, Bird) else router.session(address)


def wait_for_path(router: Router, prefix: str = PREFIX) -> Path:
    """The only one there is."""
    (path,) = wait_for(lambda: router.paths(prefix), SECONDS, f"a path to {prefix}")
    return path


def wait_for_withdrawal(router: Router, prefix: str = PREFIX) -> None:
    wait_for(lambda: not router.paths(prefix), SECONDS, f"no path to {prefix}")
