"""dsmr_parser, with which Home Assistant reads: its TCP client and its parser, which checks the CRC."""

import asyncio

import pytest

from rig import PATIENCE, telegram

telegram_specifications = pytest.importorskip("dsmr_parser.telegram_specifications")
from dsmr_parser.clients.protocol import create_tcp_dsmr_reader  # noqa: E402
from dsmr_parser.clients.socket_ import SocketReader  # noqa: E402
from dsmr_parser.exceptions import InvalidChecksumError  # noqa: E402
from dsmr_parser.parsers import TelegramParser  # noqa: E402


async def read(port, count, connected=lambda: None):
    """As Home Assistant does it: a reader with a keep-alive, and a callback for each parsed telegram."""
    got = asyncio.Queue()
    loop = asyncio.get_running_loop()
    reader = create_tcp_dsmr_reader("127.0.0.1", port, "5", got.put_nowait, loop=loop, keep_alive_interval=60)
    transport, protocol = await asyncio.wait_for(reader, PATIENCE)
    try:
        connected()
        return [await asyncio.wait_for(got.get(), PATIENCE) for _ in range(count)]
    finally:
        transport.close()
        await asyncio.wait_for(protocol.wait_closed(), PATIENCE)


def test_home_assistants_reader_gets_telegrams(meter):
    telegrams = asyncio.run(read(meter.port("p1"), 3))
    for parsed in telegrams:
        assert parsed.ELECTRICITY_USED_TARIFF_1.value > 0
        assert parsed.CURRENT_ELECTRICITY_USAGE.unit == "kW"
        assert parsed.EQUIPMENT_IDENTIFIER.value
    times = [parsed.P1_MESSAGE_TIMESTAMP.value for parsed in telegrams]
    assert [round((later - earlier).total_seconds()) for earlier, later in zip(times, times[1:])] == [1, 1]


def test_the_simulated_meter_is_a_dsmr_5_meter(meter):
    """Nothing that a version 5 telegram must have is missing, and no line is unknown."""
    (parsed,) = asyncio.run(read(meter.port("p1"), 1))
    for name in (
        "P1_MESSAGE_HEADER",
        "P1_MESSAGE_TIMESTAMP",
        "EQUIPMENT_IDENTIFIER",
        "ELECTRICITY_USED_TARIFF_1",
        "ELECTRICITY_USED_TARIFF_2",
        "ELECTRICITY_DELIVERED_TARIFF_1",
        "ELECTRICITY_DELIVERED_TARIFF_2",
        "ELECTRICITY_ACTIVE_TARIFF",
        "CURRENT_ELECTRICITY_USAGE",
        "CURRENT_ELECTRICITY_DELIVERY",
        "INSTANTANEOUS_VOLTAGE_L1",
        "INSTANTANEOUS_CURRENT_L1",
    ):
        assert getattr(parsed, name, None) is not None, name
    assert parsed.P1_MESSAGE_HEADER.value == "50"


def test_home_assistants_reader_loses_none_of_a_quick_meter(p1_line):
    sermux, pty = p1_line

    def send_all():
        sermux.clients("p1", 1)
        pty.send(telegram(0))

    async def one_after_the_other():
        got = asyncio.Queue()
        loop = asyncio.get_running_loop()
        reader = create_tcp_dsmr_reader("127.0.0.1", sermux.port("p1"), "5", got.put_nowait, loop=loop)
        transport, _ = await asyncio.wait_for(reader, PATIENCE)
        await loop.run_in_executor(None, send_all)
        try:
            for number in range(50):
                parsed = await asyncio.wait_for(got.get(), PATIENCE)
                assert int(parsed.ELECTRICITY_USED_TARIFF_1.value * 1000) == number
                pty.send(telegram(number + 1))
        finally:
            transport.close()

    asyncio.run(one_after_the_other())


def test_the_blocking_reader_gets_telegrams(meter):
    reader = SocketReader("127.0.0.1", meter.port("p1"), telegram_specifications.V5)
    telegrams = reader.read()
    try:
        for _ in range(3):
            assert next(telegrams).ELECTRICITY_USED_TARIFF_1.value > 0
    finally:
        telegrams.close()


def test_the_parser_really_checks_the_crc():
    """So that the tests above say something."""
    parser = TelegramParser(telegram_specifications.V5)
    good = telegram(7).decode()
    assert parser.parse(good).ELECTRICITY_USED_TARIFF_1.value
    with pytest.raises(InvalidChecksumError):
        parser.parse(good.replace("233.0", "234.0"))
