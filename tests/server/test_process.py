"""The service as a process: how it starts, stops, and bears with its clients."""

import contextlib
import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from commands import refusal
from server.conftest import start
from wordlab.runs.run import Run


def ask(port: int, text: str) -> int:
    """Have a text scored; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        body = json.dumps({"text": text})
        connection.request("POST", "/v1/score", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as made:
        yield made


def head(length: int | None) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return (
        "POST /v1/score HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\n{size}\r\n\r\n"
    ).encode()


def test_a_body_of_50_megabytes_is_refused_before_it_is_sent(
    port: int, connection: socket.socket
) -> None:
    connection.sendall(head(50 << 20) + b"x" * 1000)
    answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert ask(port, "the cat") == 200


def test_a_body_without_a_length_is_cut_off(port: int, connection: socket.socket) -> None:
    connection.sendall(head(None))
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while sent < 50 << 20:
            sent += connection.send(chunk)
            time.sleep(0.001)
    assert sent < 20 << 20
    assert ask(port, "the cat") == 200


def test_clients_that_go_away_do_no_harm(port: int) -> None:
    for begun in (b"", b"POST /v1/sc", head(100), head(100) + b'{"text": ', b"\x16\x03\x01 tls?"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(begun)
    body = json.dumps({"text": "the cat " * 500}).encode()
    for _ in range(5):  # asks, and does not wait for the answer
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(head(len(body)) + body)
    assert ask(port, "the cat") == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_requests_under_way_are_answered_before_it_stops(run: Run, number: signal.Signals) -> None:
    process, port = start(run.path)
    found: list[int] = []
    clients = [
        threading.Thread(target=lambda: found.append(ask(port, "the cat sat\n" * 3000)))
        for _ in range(3)
    ]
    for client in clients:
        client.start()
    time.sleep(0.3)
    process.send_signal(number)
    for client in clients:
        client.join()
    assert found == [200, 200, 200]
    assert process.wait(timeout=20) == 0
    assert process.stderr is not None
    assert process.stdout is not None
    with process.stderr as errors, process.stdout as printed:
        assert (errors.read(), printed.read()) == ("", "")


def test_faults_of_starting_are_one_line(run: Run, port: int) -> None:
    assert f"port {port} is in use" in refusal("serve", run.path, "--port", str(port))
    assert "two runs are called tiny" in refusal("serve", run.path, run.path, "--port", "0")
    assert "there is no such folder" in refusal("serve", "none", "--port", "0")
    assert "cannot listen on 192.0.2.1" in refusal("serve", run.path, "--host", "192.0.2.1")
