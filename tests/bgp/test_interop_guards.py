"""Passwords and TTL security, right and wrong: who has the wrong one is not answered at all."""

from __future__ import annotations

import base64

import pytest

from tests.daemon.objects import Manifest
from tests.lab import wait_for

from .bird import Bird
from .frr import Frr
from .gobgp import Gobgp
from .interop import PEER, Kind, Site, session_of, wait_for_path

every_kind = pytest.mark.parametrize("kind", [Frr, Bird, Gobgp])


def secret(password: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/basic-auth",
        "metadata": {"namespace": "metallb-system", "name": "tor"},
        "data": {"password": base64.b64encode(password.encode()).decode()},
    }


@every_kind
def test_a_wrong_password_and_then_the_right_one(site: Site, kind: type[Kind]) -> None:
    site.node.write("secret.yaml", secret("wr0ng"))
    router = site.router(kind, password="s3cret")
    site.peer(router, passwordSecret={"name": "tor"}, connectTime="2s")
    told = site.wait_for_words("no answer", "both ends have the same password")
    assert "wr0ng" not in told and not session_of(router).established
    site.node.write("secret.yaml", secret("s3cret"))
    wait_for_path(router)
    assert "s3cret" not in site.node.mlbctl("peers", PEER).stdout + site.node.log.read_text()


@pytest.mark.parametrize("kind", [Frr, Bird])
def test_a_password_that_the_router_lacks(site: Site, kind: type[Kind]) -> None:
    """Here the router only calls."""
    router = site.router(kind)
    site.peer(router, password="s3cret", annotations={"passive": "true"})
    wait_for(lambda: site.status().get("state") == "active", what="a node that waits")
    assert not site.is_established()
    site.peer(router, annotations={"passive": "true"})
    wait_for_path(router)


def test_ttl_security(site: Site) -> None:
    bird = site.router(Bird, ttl_security=1)
    site.peer(bird, connectTime="2s")
    site.wait_for_words("closed the connection without a word", "TTL security as this end has it")
    assert not session_of(bird).established
    site.peer(bird, connectTime="2s", annotations={"ttl-security": "1"})
    bird.say("restart peer0")  # it has not seen the last connection end: that had the wrong TTL too
    wait_for_path(bird)


def test_ttl_security_that_the_router_lacks(site: Site) -> None:
    """TCP is there at once, as the router answers a SYN with its highest TTL, and no OPEN comes."""
    bird = site.router(Bird, passive=True)
    site.peer(bird, annotations={"ttl-security": "1"})
    wait_for(lambda: site.status().get("state") == "open-sent", what="a connection")
    assert not site.is_established()
    site.peer(bird)
    wait_for_path(bird)
