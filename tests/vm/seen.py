"""What comes in, and waiting for it with a deadline."""

import threading
import time

# How long anything that must happen may take. Only a test that fails waits for it.
PATIENCE = 20.0


class Seen:
    """Bytes (`bytearray()`) or a list of other things, in the order in which they came."""

    def __init__(self, items):
        self._items = items
        self._changed = threading.Condition()
        self._ended = False

    def __len__(self):
        with self._changed:
            return len(self._items)

    def add(self, items):
        with self._changed:
            self._items.extend(items)
            self._changed.notify_all()

    def end(self):
        """Nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def since(self, start=0):
        with self._changed:
            return self._items[start:]

    def wait(self, what, find, start=0):
        """What `find` makes of all from `start` on, as soon as it makes something of it."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while True:
                items = self._items[start:]
                found = find(items)
                if found:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    why = "nothing more comes" if self._ended else "the deadline passed"
                    raise AssertionError(f"{what}: {why}; so far: {shown(items)}")
                self._changed.wait(left)

    def follow(self, read, parse=lambda data: data):
        """Collects on a thread, until `read` gives nothing or fails."""

        def collect():
            try:
                while data := read():
                    self.add(parse(data))
            except (OSError, ValueError):
                pass
            self.end()

        threading.Thread(target=collect, daemon=True).start()
        return self


def shown(items):
    if isinstance(items, bytearray):
        return repr(bytes(items[-500:]))
    return "".join(f"\n  {item}" for item in items[-40:])


def until(what, condition):
    """Waits for something that can only be asked for."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: the deadline passed"
        time.sleep(0.02)
    return found
