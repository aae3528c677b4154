"""Checks before anything is built. All problems are reported together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pagemill.domain.wording import counted
from pagemill.errors import PagemillError, UsageError

Check = Callable[[], Awaitable[Sequence[str]]]


async def problems(checks: Sequence[Check]) -> list[str]:
    """Run all checks at the same time; return the problems that they find, without duplicates.

    Args:
        checks: Each returns its problems, with the command that fixes each. An error that a check raises is a problem.
    """
    found = await asyncio.gather(*(_problems(check) for check in checks))
    return list(dict.fromkeys(problem for some in found for problem in some))


async def require(checks: Sequence[Check]) -> None:
    """Run all checks.

    Raises:
        UsageError: There are problems; the message lists all of them.
    """
    if found := await problems(checks):
        raise UsageError(f"nothing was done; {counted(len(found), 'problem')} found:{numbered(found)}")


def numbered(problems: Sequence[str]) -> str:
    """Problems as a numbered list, each on a line of its own."""
    return "".join(f"\n  {number}. {problem}" for number, problem in enumerate(problems, start=1))


async def _problems(check: Check) -> Sequence[str]:
    try:
        return await check()
    except PagemillError as error:
        return [str(error)]
