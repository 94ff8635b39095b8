"""The packet socket by itself."""

from __future__ import annotations

import socket

from mlbd.proto.neighbor.filter import arp_filter
from mlbd.proto.neighbor.frame import ETH_P_ARP, parse_mac
from mlbd.proto.neighbor.link import Link
from mlbd.reflex.sockets import PacketSocket
from tests.lab import Lab


def test_nothing_is_received_before_anything_is_admitted_and_nothing_of_our_own(lab: Lab) -> None:
    node, client, lan = lab.host("node"), lab.host("client"), lab.segment("lan")
    eth0 = node.connect(lan, "eth0", "192.0.2.1/24")
    client.connect(lan, "eth0", "192.0.2.2/24")
    link = Link(eth0.index, "eth0", parse_mac(eth0.mac))
    with node.enter():
        packets = PacketSocket(link, ETH_P_ARP, arp_filter)
    client.run("arping", "-c1", "-w1", "-I", "eth0", "192.0.2.1")
    assert packets.receive() is None
    packets.admit({socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.7")})
    node.run("arping", "-c1", "-w1", "-I", "eth0", "192.0.2.7", check=False)
    assert packets.receive() is None
    client.run("arping", "-c1", "-w1", "-I", "eth0", "192.0.2.1")
    frame = packets.receive()
    assert frame is not None
    assert frame[38:42] == socket.inet_aton("192.0.2.1")
    packets.close()
