"""Stands in for gcloud and terraform on PATH: accepts what they accept, writes it down, and does nothing.

A command, an option or a Terraform variable that does not exist is an error, and so is one that is missing. The tables
are from the help texts of Google Cloud SDK 528 and Terraform 1.11. Only the standard library, because each command of a
page starts it: `python -I -S command_stand_in.py LOG gcloud projects create my-project`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Command: options it has; `!` marks those that it needs. Positional arguments: at least, at most.
GCLOUD = {
    "auth login": ("--no-launch-browser --update-adc", 0, 1),
    "auth application-default login": ("--no-launch-browser --disable-quota-project --scopes", 0, 1),
    "beta quotas preferences create": (
        "--service! --project! --quota-id! --preferred-value! --dimensions --email --justification --preference-id",
        *(0, 0),
    ),
    "beta services identity create": ("--service! --project!", 0, 0),
    "billing accounts list": ("--filter --limit", 0, 0),
    "billing projects link": ("--billing-account!", 1, 1),
    "projects create": ("--name --organization --folder --set-as-default", 1, 1),
    "projects delete": ("", 1, 1),
    "storage buckets create": ("--location --uniform-bucket-level-access --public-access-prevention", 1, 9),
    "storage buckets notifications create": ("--topic --event-types --object-prefix --payload-format", 1, 1),
    "storage buckets update": ("--versioning", 1, 9),
    "storage cat": ("", 1, 9),
    "storage cp": ("--recursive --no-clobber", 2, 999),
}
_ALL_OF_GCLOUD = {"--project", "--impersonate-service-account", "--quiet", "--format", "--account"}
TERRAFORM = {
    "apply": {"-var", "-var-file", "-auto-approve", "-destroy"},
    "destroy": {"-var", "-var-file", "-auto-approve"},
    "init": {"-migrate-state", "-upgrade", "-backend"},
    "providers lock": {"-platform"},
}


def gcloud(arguments: list[str]) -> str:
    """What is wrong with the arguments; empty: nothing."""
    length = next((n for n in range(len(arguments), 0, -1) if " ".join(arguments[:n]) in GCLOUD), 0)
    if not length:
        return f"there is no command: gcloud {' '.join(arguments)}"
    listed, fewest, most = GCLOUD[" ".join(arguments[:length])]
    rest = arguments[length:]
    given = {argument.partition("=")[0] for argument in rest if argument.startswith("-")}
    places = [argument for argument in rest if not argument.startswith("-")]
    known = {option.rstrip("!") for option in listed.split()} | _ALL_OF_GCLOUD
    needed = {option.rstrip("!") for option in listed.split() if option.endswith("!")}
    if given - known:
        return f"unrecognized arguments: {', '.join(sorted(given - known))}"
    if needed - given:
        return f"{', '.join(sorted(needed - given))} must be specified"
    if not fewest <= len(places) <= most:
        return f"{len(places)} positional arguments"
    return ""


def terraform(arguments: list[str]) -> str:
    """What is wrong with the arguments; empty: nothing."""
    folder = Path()
    if arguments[:1] and arguments[0].startswith("-chdir="):
        folder = Path(arguments.pop(0).partition("=")[2])
    command = next((name for name in TERRAFORM if " ".join(arguments).startswith(name)), "")
    if not command:
        return f"there is no command: terraform {' '.join(arguments)}"
    rest = arguments[len(command.split()) :]
    variables = dict(re.findall(r'variable "(\w+)" \{\n(.*?)\n\}', (folder / "variables.tf").read_text(), re.DOTALL))
    given = set()
    while rest:
        name, has_value, value = rest.pop(0).partition("=")
        if name not in TERRAFORM[command]:
            return f"flag provided but not defined: {name}"
        if name == "-var":
            given.add((value if has_value else rest.pop(0)).partition("=")[0])
    if given - variables.keys():
        return f"a variable named {', '.join(sorted(given - variables.keys()))} is not declared"
    needed = {name for name, body in variables.items() if "\n  default " not in f"\n{body}"}
    if command in {"apply", "destroy"} and needed - given:
        return f"no value for the required variable {', '.join(sorted(needed - given))}"
    return ""


def main() -> None:
    """Check one command, and append it to the log."""
    log, program, *arguments = sys.argv[1:]
    if wrong := {"gcloud": gcloud, "terraform": terraform}[program](list(arguments)):
        sys.exit(f"ERROR: {wrong}")
    with Path(log).open("a", encoding="utf-8") as file:
        file.write("\x1f".join([program, *arguments]) + "\n")


if __name__ == "__main__":
    main()
