"""The programs whose addresses mlbd announces: a web server that answers every request with its host's name."""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .lab import Host

PORT = 80


def serve(host: Host) -> None:
    """At port 80 of both families; returns when it listens."""
    process = host.spawn(sys.executable, "-u", __file__, host.name, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()


class Names(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: who asks sees the answer."""


class DualStack(ThreadingHTTPServer):
    address_family = AF_INET6  # "::" takes IPv4 as well (ipv6(7), IPV6_V6ONLY)


if __name__ == "__main__":
    with DualStack(("::", PORT), Names) as server:
        print("listening")
        server.serve_forever()
