"""Prometheus: what it scrapes, the rules and the dashboard in examples/prometheus."""

import json
import os
import re
import subprocess
import urllib.parse
import urllib.request

import pytest
from conftest import installed
from rig import PATIENCE, Program, Sermux, eventually

ROOT = os.path.join(os.path.dirname(__file__), "../..")
EXAMPLES = os.path.join(ROOT, "examples/prometheus")
TOP = ['http: { address: "127.0.0.1:0" }']
METER = ["device: sim:dsmr-p1?version=5.0", "profile: dsmr-p1"]
ECHO = ["device: sim:echo"]


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
        return answer.read().decode()


def promtool(*arguments, text=None):
    done = subprocess.run([installed("promtool"), *arguments], input=text, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, ""), f"{arguments}: {done.stdout}{done.stderr}"


def test_the_rules_and_the_configuration_are_right():
    promtool("check", "rules", os.path.join(EXAMPLES, "alerts.yml"))
    promtool("check", "config", os.path.join(EXAMPLES, "prometheus.yml"))


@pytest.fixture
def sermux(started):
    sermux = started(Sermux({"meter": METER, "echo": ECHO}, top=TOP))
    eventually("a reading", lambda: "sermux_reading{" in get(sermux.http(), "/metrics?readings=1"))
    return sermux


def test_promtool_finds_nothing_wrong_with_what_is_scraped(sermux):
    for path in ("/metrics", "/metrics?readings=1"):
        promtool("check", "metrics", text=get(sermux.http(), path))


def test_rules_and_dashboard_ask_for_metrics_that_there_are():
    with open(os.path.join(ROOT, "crates/daemon/src/control/metrics.rs"), encoding="utf-8") as source:
        known = set(re.findall(r'"(sermux_\w+)"', source.read()))
    for name in ("alerts.yml", "dashboard.json"):
        with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
            asked = set(re.findall(r"sermux_\w+", file.read()))
        assert len(asked) > 5 and asked <= known, f"{name}: {asked - known}"


def test_the_dashboard_asks_only_what_prometheus_understands(started, sermux, tmp_path):
    server = Prometheus(started, sermux, tmp_path)
    with open(os.path.join(EXAMPLES, "dashboard.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked) > 15
    for expression in asked:
        server.query(expression.replace("$port", ".+").replace("$__rate_interval", "1m"))


def test_prometheus_scrapes_ports_and_readings(started, sermux, tmp_path):
    server = Prometheus(started, sermux, tmp_path)
    eventually("it is scraped", lambda: server.query('up{job="sermux"} == 1'))
    eventually("ports", lambda: len(server.query("sermux_port_up == 1")) == 2)
    eventually("telegrams", lambda: server.query('sermux_port_telegrams_total{port="meter"} > 1'))
    eventually("readings", lambda: server.query('sermux_reading{port="meter",name="voltage-l1",unit="V"} > 200'))
    # None of the rules fires on ports that are well.
    eventually("the rules were judged", lambda: server.rules() and all(rule["health"] == "ok" for rule in server.rules()))
    assert [rule["name"] for rule in server.rules() if rule["state"] != "inactive"] == []


class Prometheus:
    """One that scrapes this sermux each second, by the configuration in the examples."""

    def __init__(self, started, sermux, folder):
        with open(os.path.join(EXAMPLES, "prometheus.yml"), encoding="utf-8") as file:
            config = file.read().replace("127.0.0.1:8217", f"127.0.0.1:{sermux.http()}").replace("15s", "1s")
        config = config.replace("alerts.yml", os.path.abspath(os.path.join(EXAMPLES, "alerts.yml")))
        config = config.replace("global:", "global:\n  evaluation_interval: 1s", 1)
        path = folder / "prometheus.yml"
        path.write_text(config, encoding="utf-8")
        program = started(
            Program(
                installed("prometheus"),
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            )
        )
        said = re.compile(rb'msg="Listening on" address=127\.0\.0\.1:(\d+)')
        self.port = int(program.stderr.wait("Prometheus listens", said.search)[1])
        eventually("Prometheus is ready", self.is_ready)

    def is_ready(self):
        try:
            return "Ready" in get(self.port, "/-/ready")
        except OSError:
            return False

    def query(self, expression):
        asked = urllib.parse.urlencode({"query": expression})
        return json.loads(get(self.port, f"/api/v1/query?{asked}"))["data"]["result"]

    def rules(self):
        groups = json.loads(get(self.port, "/api/v1/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
