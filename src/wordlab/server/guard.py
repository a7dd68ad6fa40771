"""What stands before the application: hosts, sizes, times, how many at once, and headers."""

import asyncio
import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wordlab.server.faults import fault_answer
from wordlab.server.limits import Limits

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
HOSTS_KEPT = 64
_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Guard:
    """Answers what must not reach the application, and bounds what it may take.

    Args:
        app: the application.
        hosts: names under which it may be asked for, besides localhost and bare addresses. A page
            elsewhere can have its own name lead to this machine, but not to another name.
    """

    def __init__(self, app: ASGIApp, limits: Limits, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._limits = limits
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._answering = 0
        self._is_ours = lru_cache(HOSTS_KEPT)(self._names_us)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        async def refuse(status: int, error: str, **more: str) -> None:
            close = {"connection": "close"} if status in (408, 413) else {}
            retry = {"retry-after": "1"} if status in (429, 503) else {}
            answer = fault_answer(status, error, **more, headers={**close, **retry})
            await answer(scope, receive, with_headers)

        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._is_ours(host):
            await refuse(421, "this host is not served", where="Host", mend="see --allow-host")
            return
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin.decode("latin-1")).netloc != host:
            await refuse(403, "asked by a page of another origin", where="Origin")
            return
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                body = await self._body(headers, receive)
        except TimeoutError:
            await refuse(408, f"did not arrive within {self._limits.body_seconds:g} seconds")
            return
        except _TooLargeError:
            most = self._limits.body_bytes
            await refuse(413, f"is larger than {most:,} bytes", mend="send it in parts")
            return
        if body is None:
            return
        if self._answering >= self._limits.at_once:
            await refuse(
                429, f"{self._answering} requests are being answered", mend="ask again in a second"
            )
            return
        self._answering += 1
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._app(scope, _replayed(body, receive), with_headers)
        except TimeoutError:
            if not begun:
                most_seconds = self._limits.seconds
                await refuse(503, f"took longer than {most_seconds:g} seconds", mend="ask for less")
        finally:
            self._answering -= 1

    def _names_us(self, host: str) -> bool:
        """Whether a Host header is an address or one of our names, with any port."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._hosts:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """The body of a request; None where the client has gone."""
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limits.body_bytes:
            raise _TooLargeError
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self._limits.body_bytes:
                raise _TooLargeError
            if not message.get("more_body", False):
                return b"".join(parts)


class _TooLargeError(Exception):
    """A body passes the limit."""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already, then whatever comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
