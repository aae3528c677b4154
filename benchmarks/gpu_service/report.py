"""A table and a chart of what `matrix.py` measured.

`python -m benchmarks.gpu_service.report RESULTS [PICTURE.svg]`: each of our servers is compared with the stock one of
the same name. The chart needs matplotlib: `.venv/bin/uv run --with matplotlib python -m …`.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_OURS, _STOCK = "ours", "stock"
_RATE, _FIRST_TOKEN = "pages_per_second", "first_token_seconds"
Measurements = Mapping[tuple[int, int], float]  # by in flight and tokens; of the longest of several loads


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def measurements(lines: Sequence[Mapping[str, Any]], server: str, name: str = _RATE) -> Measurements:
    """One measurement of all loads of a server. If a load was measured twice, the one with more pages counts."""
    loads = [line for line in lines if line["server"] == server and line["what"] == "load" and name in line]
    loads.sort(key=lambda line: line.get("pages", 0))
    return {(line["in_flight"], line["tokens"]): line[name] for line in loads}


def pairs(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Stock server and ours, by what follows the first comma or word of their names."""
    servers = list(dict.fromkeys(str(line["server"]) for line in lines))
    stock = {server.removeprefix(_STOCK): server for server in servers if server.startswith(_STOCK)}
    for server in servers:
        kind = server.removeprefix(_OURS)
        alike = [other for name, other in stock.items() if name == kind or name.startswith(f"{kind} and ")]
        if server.startswith(_OURS) and alike:
            yield alike[0], server


def compared(lines: Sequence[Mapping[str, Any]]) -> Table:
    """Every measurement that both servers of a pair have, and their ratio."""
    table = Table(box=None)
    for title in ("", "stock", "ours", "ours / stock"):
        table.add_column(title, justify="left" if not title else "right")
    for stock, ours in pairs(lines):
        table.add_row(f"[bold]{ours.removeprefix(_OURS).strip(', ')}")
        for title, what in (("pages/s", _RATE), ("s until the first token", _FIRST_TOKEN)):
            before, after = measurements(lines, stock, what), measurements(lines, ours, what)
            for key in sorted(before.keys() & after.keys(), key=lambda key: (key[1], key[0])):
                old, new = before[key], after[key]
                table.add_row(f"{title}, {key[0]} in flight, {key[1]} tokens", *_compared(old, new, digits=2))
        for what, name in (("first_page_seconds", "s until the first page is read"), ("peak_mib", "MiB at most")):
            old, new = (_measurement(lines, server, what) for server in (stock, ours))
            if old and new:
                table.add_row(name, *_compared(old, new, digits=0))
    return table


def _compared(old: float, new: float, *, digits: int) -> tuple[str, str, str]:
    return f"{old:.{digits}f}", f"{new:.{digits}f}", f"{new / old:.2f}" if old else ""


def _measurement(lines: Sequence[Mapping[str, Any]], server: str, what: str) -> float:
    return next((float(line[what]) for line in lines if line["server"] == server and what in line), 0.0)


def write_chart(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Pages a second over pages in flight, a panel for each length of text, of the pair with the most measurements."""
    pyplot = import_module("matplotlib.pyplot")
    stock, ours = max(pairs(lines), key=lambda pair: len(measurements(lines, pair[1])))
    lengths = sorted({tokens for _, tokens in measurements(lines, ours)})
    size = 3 * len(lengths), 3
    figure, panels = pyplot.subplots(1, len(lengths), figsize=size, layout="constrained", squeeze=False)
    for panel, tokens in zip(panels[0], lengths, strict=True):
        for server, colour in ((stock, "#888888"), (ours, "#c03020")):
            found = measurements(lines, server).items()
            points = sorted((in_flight, rate) for (in_flight, length), rate in found if length == tokens)
            panel.plot(*zip(*points, strict=True), marker="o", color=colour, label=server)
        panel.set(title=f"{tokens} tokens a page", xlabel="pages in flight", ylim=0, xticks=[1, 4, 8, 16, 24])
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("pages a second")
    panels[0][0].legend(frameon=False, fontsize="small")
    pyplot.rcParams.update({"svg.hashsalt": "pagemill", "svg.fonttype": "none"})  # reproducible; text stays text
    picture = io.StringIO()
    figure.savefig(picture, format="svg", metadata={"Date": None})
    path.write_text(
        "".join(f"{line.rstrip()}\n" for line in picture.getvalue().splitlines())
    )  # matplotlib writes trailing blanks


def main() -> int:
    """Print the table; write the chart if a picture is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("picture", type=Path, nargs="?")
    options = parser.parse_args()
    lines = read(options.results)
    Console(width=100).print(compared(lines))
    if options.picture:
        write_chart(lines, options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
