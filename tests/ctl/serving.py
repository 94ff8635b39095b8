"""A control socket in a directory of its own, served from a thread, with the daemon of `canned` behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mlbd.drivers.control import Control, Source

# Groups of every Debian.
READERS, ADMINS = "daemon", "sys"


class Answer(NamedTuple):
    status: int
    value: Any


class Served:
    def __init__(self, path: Path, control: Control, loop: asyncio.AbstractEventLoop) -> None:
        self.path = path
        self.control = control
        self.loop = loop

    def await_(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """In the loop's own thread, as the daemon would."""

        async def work() -> Any:
            return function(*arguments, **options)

        return self.await_(work())

    def ask(self, path: str, method: str = "GET") -> Answer:
        return ask(self.path, path, method)

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        client.connect(str(self.path))
        return client


def ask(socket_path: Path, path: str, method: str = "GET") -> Answer:
    """One request by hand: the client of mlbctl is tested elsewhere."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    connection.sock.connect(str(socket_path))
    connection.request(method, path)
    with connection.getresponse() as response:
        return Answer(response.status, json.load(response))


@contextmanager
def directory() -> Iterator[Path]:
    """One that other users may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="mlbd-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


async def started(control: Control) -> asyncio.Task[None]:
    control.start()
    running = asyncio.create_task(control.run())
    while not hasattr(control, "_server"):  # it imports first
        await asyncio.sleep(0.01)
    return running


async def stopped(control: Control, running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    control.close()


@contextmanager
def serve(source: Source, path: Path, group: str = READERS, admin_group: str | None = ADMINS) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    served = Served(path, Control(path, group, admin_group, source), loop)
    try:
        running = served.await_(started(served.control))
        try:
            yield served
        finally:
            served.await_(stopped(served.control, running))
            served.await_(loop.shutdown_asyncgens())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def as_user(uid: int, groups: list[int], work: Callable[[], Any]) -> Any:
    """What `work` returns, or the name of what it raises, in a child process of that user; as JSON can hold it."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; ours sleeps in epoll, and the child runs no other program because
        # that user may not be able to read one.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            os.setgroups(groups)
            os.setgid(65534)
            os.setuid(uid)
            try:
                told = work()
            except OSError as error:
                told = type(error).__name__
            os.write(write, json.dumps(told).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)
