"""Keeps code in the current folder from being executed: it came with the PDFs, and is not ours.

With `python -m` and with `PYTHONPATH=.`, Python searches the current folder before the installed libraries. An
`isal.py` there would be executed instead of the library. This module imports only what Python has loaded at its start,
`os`, `site` and `sys`: nothing in the current folder can be executed while it is imported.
"""

from __future__ import annotations

import os
import site
import sys

_PACKAGES_FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # pagemill is in it


def leave_out_current_folder() -> None:
    """Remove the current folder from the import path of this process and of every process that it starts.

    Call it before anything is imported that is not loaded at Python's start.
    """
    left_out = _left_out_folders()
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) not in left_out]
    os.environ.update(import_path_variables())


def import_path_variables() -> dict[str, str]:
    """The variables with which a Python process searches neither the current folder nor relative ones."""
    left_out = _left_out_folders()
    entries = [entry for entry in _python_path() if os.path.realpath(entry) not in left_out]
    return {
        "PYTHONSAFEPATH": "1",  # as `python -P`
        "PYTHONPATH": os.pathsep.join(entries),  # Python takes an empty variable for none
    }


def _left_out_folders() -> set[str]:
    """The current folder and all relative entries of PYTHONPATH, unless installed libraries or pagemill are there."""
    relative = [entry for entry in _python_path() if not os.path.isabs(entry)]
    try:
        folders = {os.path.realpath(entry) for entry in [os.curdir, *relative]}
    except FileNotFoundError:  # the current folder was deleted: nothing can be imported from it
        return set()
    return folders - {_PACKAGES_FOLDER, *map(os.path.realpath, site.getsitepackages())}


def _python_path() -> list[str]:
    """The entries of PYTHONPATH; Python takes an empty entry for the current folder."""
    value = os.environ.get("PYTHONPATH", "")
    return value.split(os.pathsep) if value else []
