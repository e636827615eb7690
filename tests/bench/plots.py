"""Draws what a run kept: which part of all was done within which time."""

from collections.abc import Mapping
from pathlib import Path

import altair
from tests.bench.frame import percentile

FOLDER = Path("docs/bench")
POINTS = 200
TITLES = {
    "lateness": "How late alarms ring",
    "latency": "How long after a commit, at 300 commits a second",
}


def write(samples: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Write an SVG for each plot of the run."""
    for name, curves in samples.items():
        _chart(TITLES[name], curves).save(FOLDER / f"{name}.svg")


def _chart(title: str, curves: Mapping[str, list[float]]) -> altair.Chart:
    rows = [
        {"curve": curve, "part": n / POINTS, "ms": max(0.1, percentile(values, n / POINTS))}
        for curve, values in curves.items()
        for n in range(POINTS + 1)
    ]
    chart: altair.Chart = (
        altair.Chart({"values": rows}, title=title, width=560, height=280)
        .mark_line()
        .encode(
            x=altair.X("ms:Q", title="milliseconds", scale=altair.Scale(type="log")),
            y=altair.Y("part:Q", title="part of all", axis=altair.Axis(format="%")),
            color=altair.Color("curve:N", title=None, legend=altair.Legend(labelLimit=300)),
            order="part:Q",
        )
    )
    return chart
