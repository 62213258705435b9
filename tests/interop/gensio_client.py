"""A gensio for test_gensio.py, in a program of its own because the binding belongs to Debian's python3.

    /usr/bin/python3 gensio_client.py telnet(rfc2217),tcp,127.0.0.1,PORT

Each line of stdin is a JSON array, the name of something to do and its arguments; each is answered by a line of JSON,
its result, or {"error": ...}. What came meanwhile is asked for with "seen".
"""

import json
import sys
import time

import gensio

# In milliseconds: how long gensio itself waits for the answer to a request.
PATIENCE = 5000


class Seen:
    """What came unasked: the data (latin-1), and the states in their order."""

    def __init__(self):
        self.data, self.modem, self.line, self.signature = "", [], [], []

    def gensio_log(self, level, text):
        print(level, text, file=sys.stderr, flush=True)

    def read_callback(self, io, error, data, _):
        if error:
            self.data += f"<{error}>"
            io.read_cb_enable(False)
            return 0
        self.data += data.decode("latin-1")
        return len(data)

    def write_callback(self, _):
        pass

    def modemstate(self, _, state):
        self.modem.append(state)

    def linestate(self, _, state):
        self.line.append(state)


class Signature:
    """sg_signature calls a method of its argument."""

    def __init__(self, seen):
        self.seen = seen

    def signature(self, _, error, value):
        self.seen.signature.append(error or value.decode())


def main():
    seen = Seen()
    os_funcs = gensio.alloc_gensio_selector(seen)
    io = gensio.gensio(os_funcs, sys.argv[1], seen)
    io.open_s()
    io.read_cb_enable(True)
    serial = io.cast_to_sergensio()
    waiter = gensio.waiter(os_funcs)

    def write(text):
        data = text.encode("latin-1")
        while data:
            # Synchronous writing would take the data away from the handler.
            data = data[io.write(data, None) :]
            waiter.wait_timeout(1, 1)

    def wait(what, length):
        """Until so much has come."""
        deadline = time.monotonic() + PATIENCE / 1000
        while len(getattr(seen, what)) < length and time.monotonic() < deadline:
            waiter.wait_timeout(1, 10)
        return getattr(seen, what)

    def do(name, *arguments):
        if name == "write":
            return write(*arguments)
        if name == "wait":
            return wait(*arguments)
        if name == "signature":
            serial.sg_signature(*arguments, Signature(seen))
            return wait("signature", len(seen.signature) + 1)[-1]
        return getattr(serial, name)(*arguments)

    print(json.dumps("open"), flush=True)
    for line in sys.stdin:
        try:
            result = do(*json.loads(line))
        except Exception as error:  # gensio has no narrower one
            result = {"error": str(error)}
        print(json.dumps(result), flush=True)
    io.close_s()


main()
