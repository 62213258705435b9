"""Sockets that systemd hands over (sd_listen_fds(3)), handed over as it does."""

import os
import socket
import subprocess

from rig import PATIENCE, Lines


def test_a_socket_that_was_handed_over_is_used_and_outlives_a_restart(tmp_path):
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    config = tmp_path / "sermux.yaml"
    listen = f"[{{ protocol: raw, address: {address[1]} }}, {{ protocol: raw, address: \"127.0.0.1:0\" }}]"
    config.write_text(f"ports: {{ echo: {{ device: sim:echo, listen: {listen} }} }}\n")

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
    early = socket.create_connection(address, timeout=PATIENCE)
    for client in (early, None):
        sermux = serve()
        try:
            log = Lines(sermux.stderr)
            client = client or socket.create_connection(address, timeout=PATIENCE)
            client.settimeout(PATIENCE)
            client.sendall(b"hello")
            assert client.recv(5) == b"hello"
            # The other listener is bound by sermux itself.
            log.wait("two listeners", lambda said: said.count(b" listening ") == 2)
            assert b"cannot listen" not in log.bytes()
        finally:
            sermux.terminate()
            assert sermux.wait(PATIENCE) == 0
            sermux.stderr.close()
        client.close()
