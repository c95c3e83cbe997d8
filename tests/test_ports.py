"""Which addresses can be listened on, and what is said of one that is taken."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from lightning_demo import ports
from lightning_demo.errors import InvalidSetting
from lightning_demo.ports import free_port, running_demo


def test_a_port_is_found_and_foreign_addresses_are_refused() -> None:
    assert 0 < free_port("127.0.0.1", 0) < 65536
    for host in ("no.such.host.invalid", "203.0.113.1"):
        with pytest.raises(InvalidSetting):
            free_port(host, 0)


def test_an_address_of_version_6_may_stand_in_brackets() -> None:
    try:
        free_port("::1", 0)
    except InvalidSetting:
        pytest.skip("there is no such address here")
    assert 0 < free_port("[::1]", 0) < 65536


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """Something that answers whatever it is asked with these bytes, or with silence."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                if answer is None:
                    kept.append(connection)
                    continue
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        kept: list[socket.socket] = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in kept:
            connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"type": "status"}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
    ids=["silence", "end", "ssh", "page", "list", "another's", "damaged"],
)
def test_what_is_no_demo_is_not_taken_for_one(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "QUICK_SECONDS", 0.1)
    with answering(answer) as port:
        assert running_demo("127.0.0.1", port) == ""
        with pytest.raises(InvalidSetting, match="cannot be used") as caught:
            free_port("127.0.0.1", port)
        assert "--port 0" in caught.value.message
