"""What has to be there before anything is built: all that is missing at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pagemill.domain.wording import counted
from pagemill.errors import PagemillError, UsageError

Check = Callable[[], Awaitable[Sequence[str]]]


async def problems(checks: Sequence[Check]) -> list[str]:
    """Run all checks side by side; return what they find, each thing once.

    Args:
        checks: Each returns what is wrong, with the command that mends it; what it raises is something that is wrong.
    """
    found = await asyncio.gather(*(_problems(check) for check in checks))
    return list(dict.fromkeys(problem for some in found for problem in some))


async def require(checks: Sequence[Check]) -> None:
    """Run all checks.

    Raises:
        UsageError: Something is wrong; all of it is said.
    """
    if found := await problems(checks):
        listed = "".join(f"\n  {number}. {problem}" for number, problem in enumerate(found, start=1))
        raise UsageError(f"nothing was done; {counted(len(found), 'thing is', 'things are')} wrong:{listed}")


async def _problems(check: Check) -> Sequence[str]:
    try:
        return await check()
    except PagemillError as error:
        return [str(error)]
