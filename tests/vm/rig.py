"""sermux in the virtual machine, and its clients on this side."""

import json
import time

from machine import GUEST_PORTS
from rfc2217 import Raw
from seen import Seen

RAW = {"protocol": "raw"}
RFC2217 = {"protocol": "telnet", "rfc2217": True, "access": "control"}


class Sermux:
    """`sermux serve` in the guest. `ports` is `ports` of its configuration; `listen` without addresses, default one raw
    listener. A second one at the same time leaves out the addresses that the first has: `skip`."""

    def __init__(self, machine, ports, skip=0):
        self._machine = machine
        self._ports = {}
        free = iter(GUEST_PORTS[skip:])
        config = {"log": {"format": "json"}, "control": "off", "ports": {}}
        for name, port in ports.items():
            listeners = port.get("listen", [RAW])
            self._ports[name] = [next(free) for _ in listeners]
            listen = [{**listener, "address": f"*:{guest}"} for listener, guest in zip(listeners, self._ports[name])]
            config["ports"][name] = {**port, "listen": listen}
        # JSON is YAML.
        self._agent = machine.run(
            f"file=$(mktemp)\ncat >$file <<'END'\n{json.dumps(config)}\nEND\n"
            "sermux serve --config $file & pid=$!; echo PID $pid; wait $pid; echo STATUS $?; rm $file\n"
        )
        self._rest = b""
        self.words = Seen([])
        self.log = Seen([]).follow(lambda: self._agent.recv(65536), self._records)
        self.pid = int(self.words.wait("the program starts", lambda words: words and words[0].split()[1]))
        self.status = None

    def _records(self, data):
        """Records of the log are JSON, all else is a script's word."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.words.add(line.decode() for line in lines if not line.startswith(b"{"))
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def said(self, event, start=0, nth=1, **fields):
        """The nth record of this event (sermux-log(7)) that has these fields."""

        def find(records):
            found = [
                record
                for record in records
                if record["event"] == event and all(record.get(key) == value for key, value in fields.items())
            ]
            return len(found) >= nth and found[nth - 1]

        return self.log.wait(f"it says {event} {fields or ''} ({nth})", find, start)

    def opened(self, port, nth=1):
        return self.said("line.opened", port=port, nth=nth)

    def gone(self, port, nth=1):
        return self.said("line.lost", port=port, nth=nth)

    def warnings(self, start=0):
        return [record for record in self.log.since(start) if record["level"] in ("WARN", "ERROR")]

    def connect(self, port, listener=0, kind=None):
        """A client that the port knows: what the line brings from now on is for it too."""
        # QEMU takes connections before anybody listens.
        self.said("listener.listening", port=port, nth=len(self._ports[port]))
        before = sum(
            record["event"] == "client.connected" and record["port"] == port for record in self.log.since()
        )
        client = (kind or Raw)(self._machine.ports[self._ports[port][listener]])
        self.said("client.connected", port=port, nth=before + 1)
        return client

    def descriptors(self):
        return int(self._machine.shell(f"ls /proc/{self.pid}/fd | wc -l"))

    def cpu(self):
        """CPU time so far, and the guest's clock, in seconds."""
        said = self._machine.shell(f"cat /proc/{self.pid}/stat /proc/uptime").splitlines()
        # After the name: state, ppid, … utime is field 14 (proc(5)).
        fields = said[0].rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100, float(said[1].split()[0])

    def end(self):
        """Ends it as systemd does. Its exit status."""
        if self.status is None:
            self._machine.shell(f"kill -TERM {self.pid} 2>/dev/null || true")
            try:
                status = self.words.wait(
                    "the program ends", lambda words: [w for w in words if w.startswith("STATUS ")]
                )
                self.status = int(status[0].split()[1])
            except AssertionError:
                self._machine.shell(f"kill -KILL {self.pid} 2>/dev/null || true")
                raise
            finally:
                self._agent.close()
        return self.status


def exchange(wire, *clients):
    """Bytes of their own pass both ways, for each client."""
    word = f"{time.monotonic_ns()} ".encode()
    wire.send(word)
    for client in clients:
        assert client.receive(len(word)) == word
        client.send(word[::-1])
        assert wire.receive(len(word)) == word[::-1]
