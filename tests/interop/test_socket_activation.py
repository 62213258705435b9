"""Sockets that systemd hands over (sd_listen_fds(3)), handed over as it does."""

import os
import socket
import subprocess

import pytest

from rig import PATIENCE, Lines


def over_tcp(_folder):
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, listening.getsockname()[1]


def over_unix(folder):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "p.sock"))
    listening.listen()
    return listening, f"unix:{listening.getsockname()}"


@pytest.mark.parametrize("over", [over_tcp, over_unix])
def test_a_socket_that_was_handed_over_is_used_and_outlives_a_restart(tmp_path, over):
    listening, configured = over(tmp_path)
    config = tmp_path / "sermux.yaml"
    listen = f"[{{ protocol: raw, address: {configured} }}, {{ protocol: raw, address: \"127.0.0.1:0\" }}]"
    config.write_text(f"ports: {{ echo: {{ device: sim:echo, listen: {listen} }} }}\n")

    def connect():
        client = socket.socket(listening.family)
        client.settimeout(PATIENCE)
        client.connect(listening.getsockname())
        return client

    def hand_over():
        os.dup2(listening.fileno(), 3)

    def serve():
        # $$ is the process that exec makes sermux.
        command = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve --config "$1"'
        return subprocess.Popen(
            ["sh", "-c", command, os.environ["SERMUX_BIN"], str(config)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=hand_over,
            pass_fds=(3,),
        )

    # Before anybody serves: the connection waits in the socket.
    early = connect()
    for client in (early, None):
        sermux = serve()
        try:
            log = Lines(sermux.stderr)
            client = client or connect()
            client.sendall(b"hello")
            assert client.recv(5) == b"hello"
            # The other listener is bound by sermux itself.
            log.wait("two listeners", lambda said: said.count(b"event=listener.listening ") == 2)
            assert b"event=listener.bind-failed" not in log.bytes()
        finally:
            sermux.terminate()
            assert sermux.wait(PATIENCE) == 0
            sermux.stderr.close()
        client.close()
