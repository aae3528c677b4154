"""How commands show their help: without `<bool>` beside a flag, and with arguments as they are typed."""

from __future__ import annotations

from collections.abc import Iterable

from typer import Context
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


class PlainCommand(TyperCommand):
    """A command."""

    def get_params(self, ctx: Context) -> list[object]:  # type: ignore[override]  # typer's own type has no public name
        """Its arguments and options, with the words that stand for their values."""
        return list(_in_plain_words(super().get_params(ctx)))

    def collect_usage_pieces(self, ctx: Context) -> list[str]:  # type: ignore[override]  # as above
        """The usage line: `SOURCE`, not `{SOURCE}`."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class PlainGroup(TyperGroup):
    """The program."""

    def get_params(self, ctx: Context) -> list[object]:  # type: ignore[override]  # as above
        """Its options, with the words that stand for their values."""
        return list(_in_plain_words(super().get_params(ctx)))


def _in_plain_words(parameters: Iterable[object]) -> Iterable[object]:
    for parameter in parameters:
        if isinstance(parameter, TyperOption) and parameter.metavar is None:
            parameter.metavar = _word(parameter)
        if isinstance(parameter, TyperArgument):
            parameter.display_type_rich = lambda ctx: None  # type: ignore[method-assign]  # noqa: ARG005 -- its name says it
        yield parameter


def _word(option: TyperOption) -> str:
    """What stands for the value of an option; nothing for a flag."""
    if option.is_flag:
        return ""
    kind = option.type_descriptor
    if kind.is_choice:
        return "|".join(str(getattr(choice, "value", choice)) for choice in kind.choices or ())
    return {int: "N", float: "N"}.get(kind.annotation, "TEXT")
