"""A service on a port of this machine, until it is told to stop."""

import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from wordlab.errors import WordlabError
from wordlab.server.limits import Limits


def open_port(host: str, port: int) -> socket.socket:
    """Take a port; 0 is any that is free.

    Raises:
        WordlabError: where it cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address, family=family, backlog=512)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise WordlabError(
                f"port {port} is in use", where="--port", mend="name another, or 0 for any"
            ) from None
        reason = error.strerror or str(error)
        raise WordlabError(f"cannot listen on {host}, port {port}: {reason}") from None
    # Connections take this over. Without it the body of an answer waits until its head is
    # acknowledged, which clients put off for 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def listen(app: ASGIApp, port: socket.socket, limits: Limits, ready: Callable[[], None]) -> None:
    """Serve an application until SIGINT or SIGTERM; requests under way are answered first.

    Args:
        ready: is called when requests are answered.
    """
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(limits.seconds + limits.body_seconds) + 1,
        ws="none",
    )
    _Server(config, ready).run(sockets=[port])


class _Server(uvicorn.Server):
    """Ends as it should when it is told to."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have signals end the service, and not, as the library has it, the process after it."""
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
