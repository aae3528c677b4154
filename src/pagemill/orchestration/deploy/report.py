"""Artifacts of a deployment in the Prefect UI: a report in Markdown, and a link to each build's log."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact

from pagemill.domain.service.deployment import Deployment, Outcome
from pagemill.domain.service.plan import Change
from pagemill.domain.service.smoke import CANNOT_PROVE, proofs

_LONGEST_CELL = 160  # characters
_WITHOUT_URL = {Outcome.FAILED, Outcome.INTERRUPTED, Outcome.PASSED}


async def report(record: Deployment) -> None:
    """Write the report of a deployment, whether it succeeded or failed."""
    await acreate_markdown_artifact(
        "\n".join(_page(record)), key="deployment", description=f"{record.service} in {record.region}: {record.outcome}"
    )


async def link_log(build_id: str, log_url: str) -> None:
    """Write a link to a build's log, as soon as the build has started."""
    await acreate_link_artifact(log_url, key="build-log", link_text=build_id, description="Log of the image's build")


def change_rows(changes: list[Change]) -> list[tuple[str, str, str]]:
    """Rows of a table of changes: path, value before, value after."""
    return [(change.path, change.before or "—", change.after or "—") for change in changes]


def _page(record: Deployment) -> Iterator[str]:
    yield f"# {record.service} in {record.region}: {record.outcome}"
    yield ""
    if record.error:
        yield from (f"> {line.strip().replace('<', '&lt;')}" for line in record.error.splitlines())
        yield ""
    yield from _table(
        ("what", "value"),
        [
            ("URL", f"{record.url} (not published)" if record.outcome in _WITHOUT_URL else record.url),
            ("revision", record.revision),
            ("revision before", record.before or "none"),
            ("image", record.image),
            ("image source", {True: "built now", False: "existing image", None: ""}[record.built]),
            ("build log", f"[log]({record.build_log})" if record.build_log else ""),
            ("model", f"{record.model}, revision {record.substitutions.get('_MODEL_REVISION', '')}"),
            ("weights", f"SHA-256 {record.substitutions.get('_MODEL_SHA256', '')}"),
            ("base image", record.substitutions.get("_BASE_IMAGE", "")),
            ("transformers", record.substitutions.get("_TRANSFORMERS", "")),
        ],
    )
    yield from ("", "## Durations", "")
    yield from _table(
        ("what", "seconds"),
        [
            ("build", _seconds(record.build_seconds)),
            ("start, until the startup probe succeeds", _seconds(record.startup_seconds)),
            ("until /health succeeds at the revision's URL", _seconds(record.health_seconds)),
            ("first token", _seconds(record.first_token_seconds)),
            ("all canary pages", _seconds(record.canary_seconds)),
        ],
    )
    yield from ("", "## Canary pages", "")
    yield from _table(
        ("page", "word F1", "seconds", "tokens", "objections"),
        [
            (
                result.name,
                f"{result.word_f1:.3f}",
                f"{result.seconds:.1f}",
                str(result.completion_tokens),
                ", ".join(result.objections),
            )
            for result in record.canaries
        ],
    )
    if record.steps:
        yield from ("", "## Gradual traffic", "", *(f"- {step}" for step in record.steps))
    if record.smoke:
        yield from ("", "## What was proved", "")
        yield from _table(
            ("step", "proved", "detail"),
            [(proof.step, "yes" if proof.proved else "no", proof.detail) for proof in proofs(record)],
        )
        yield from ("", "A smoke test cannot prove:", "", *(f"- {what}" for what in CANNOT_PROVE))
    else:
        yield from ("", "## vLLM", "", "```", f"vllm serve {shlex.join(record.flags)}", "```")
    yield from ("", "## Changes", "")
    yield from _table(("field", "before", "after"), change_rows(list(record.changes)))
    if record.cost:
        yield from ("", "## Cost, estimated from list prices", "")
        yield from _table(("what", "USD"), record.cost.lines())


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows or [("none", *[""] * (len(head) - 1))]:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(text: str) -> str:
    """Text as a cell of a Markdown table: one line, escaped, shortened."""
    flat = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return flat if len(flat) <= _LONGEST_CELL else f"{flat[:_LONGEST_CELL]}…"


def _seconds(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f}"
