"""The port: connections send what they have at once."""

import socket

from wordlab.server.listening import open_port


def test_an_answer_does_not_wait_for_acknowledgements() -> None:
    with (
        open_port("127.0.0.1", 0) as port,
        socket.create_connection(port.getsockname()),
        port.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
