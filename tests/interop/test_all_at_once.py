"""The meter cupboard: everybody reads the same port at the same time, and somebody has stopped."""

import asyncio
import threading

from rig import PATIENCE, telegrams, whole
from test_dsmr_parser import read
from test_readers import Domoticz, DsmrReader, connect, crc_is_right
from test_telnet import shown


def test_all_readers_of_one_port_at_once(meter, tool, started, tmp_path):
    port = meter.port("p1")
    file = tmp_path / "telegrams"
    stopped = started(connect(port))
    nc = tool("nc", "127.0.0.1", port)
    tool("socat", "-u", f"TCP:127.0.0.1:{port}", f"OPEN:{file},creat,append")
    telnet = tool("telnet", "127.0.0.1", port)
    domoticz = started(Domoticz(port))
    dsmr_reader = started(DsmrReader(port))
    meter.clients("p1", 6)

    home_assistant = []
    thread = threading.Thread(target=lambda: home_assistant.extend(asyncio.run(read(port, 4))))
    thread.start()
    logger = []
    logging = threading.Thread(target=lambda: logger.extend(dsmr_reader.read() for _ in range(3)))
    logging.start()

    seen = [domoticz.read() for _ in range(5)]
    thread.join(PATIENCE)
    logging.join(PATIENCE)
    assert len(home_assistant) == 4
    assert len(logger) == 3 and all(crc_is_right(text) for text in logger)
    assert all(crc_is_right(text) for text in seen)

    # They all saw what Domoticz saw, byte for byte.
    last = seen[-1]
    nc.stdout.wait("nc has the last one", lambda data: last in data)
    telnet.stdout.wait("telnet has the last one", lambda data: last in shown(data))
    domoticz.read()
    on_file = telegrams(file.read_bytes())
    assert on_file[on_file.index(seen[0]) :][: len(seen)] == seen
    by_nc = whole(nc.stdout.bytes())
    assert by_nc[by_nc.index(seen[0]) :][: len(seen)] == seen
    assert b"".join(seen) in shown(telnet.stdout.bytes())

    # And the one that had stopped finds whole telegrams when it looks at last.
    found = b""
    while not found.endswith(b"\r\n"):
        found += stopped.recv(65536)
    assert len(telegrams(found)) >= 5
