"""The alerts ask for metrics that exist, speak both languages, and have their lines in the runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from steward_service.telemetry import Metrics

ALERTS = Path(__file__).parents[2] / "docs" / "alerts"
RUNBOOK = (ALERTS.parent / "operations.md").read_text()


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((ALERTS / "steward.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def exported() -> set[str]:
    registry = CollectorRegistry()
    Metrics(registry)
    return {
        name + suffix
        for family in registry.collect()
        for name in (family.name,)
        for suffix in ("", "_total", "_bucket")
    }


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert set(re.findall(r"steward_\w+", rule["expr"])) <= exported()
    said = rule["annotations"]
    assert said["summary"].endswith(".")
    assert said["summary_zh"].endswith("。")
    page, _, anchor = said["runbook"].partition("#")
    assert page == "docs/operations.md"
    assert anchor == rule["alert"].lower()
    assert f"\n### {rule['alert']}\n" in RUNBOOK


def test_every_metric_stands_in_the_runbook() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    ours = {family.name for family in registry.collect() if family.name.startswith("steward_")}
    assert [name for name in sorted(ours) if name not in RUNBOOK] == []


def test_the_alerts_fire_as_their_tests_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    subprocess.run([promtool, "test", "rules", "tests.yml"], cwd=ALERTS, check=True)
