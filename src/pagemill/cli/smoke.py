"""What `pagemill deploy --smoke` prints at its end, however it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from pagemill.cli.console import output

if TYPE_CHECKING:
    from pagemill.domain.service.deployment import Deployment


def print_smoke_test(record: Deployment) -> None:
    """Print what was proved, what is left in the project, and what no smoke test can prove."""
    from pagemill.domain.service.smoke import CANNOT_PROVE, leftovers, proofs

    screen = output()
    table = Table("step", "proved", "", box=None, title=f"Smoke test of {record.project}")
    for proof in proofs(record):
        table.add_row(proof.step, "yes" if proof.proved else "no", proof.detail)
    screen.print(table, soft_wrap=False)
    for heading, lines in (("Left in the project:", leftovers(record)), ("A smoke test cannot prove:", CANNOT_PROVE)):
        if lines:
            screen.print(heading)
        for line in lines:
            screen.print(f"  {line}")
