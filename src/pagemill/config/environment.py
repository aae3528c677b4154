"""Environment variables that are not settings of pagemill: those of Google Cloud, Prefect and other libraries.

OCR workers import this module, so it does not import pydantic.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pagemill.config.import_path import import_path_variables

# Google Cloud sets these; users set the first one to tell google-auth where the metadata server is.
_GOOGLE_CLOUD = ("GCE_METADATA_HOST", "K_SERVICE", "CLOUD_RUN_JOB", "CLOUD_RUN_EXECUTION")

# All that a worker inherits. It opens what strangers made: a key, token or proxy that is not here cannot be read in it.
_FOR_WORKERS = (
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),  # some interpreters need them to start
    *("PYTHONHOME", "PYTHONUTF8", "PYTHONNOUSERSITE", "PYTHONUSERBASE"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    "TESSDATA_PREFIX",
)
_LOCALE = "LC_"

# Pools of BLAS threads would only compete for a worker's one core, and reserve address space.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}

# How Prefect behaves unless a variable says otherwise: quiet, private and quick.
_PREFECT_DEFAULTS = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the server gets the log all the same
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # One transaction for a hundred task runs instead of one each: a quarter of the server's CPU time.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "DO_NOT_TRACK": "1",
}

# What the server of one run does not do, unless a variable says otherwise: nothing is scheduled there, nobody looks.
_PRIVATE_SERVER_DEFAULTS = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    **{
        f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
        for service in (
            *("SCHEDULER", "LATE_RUNS", "PAUSE_EXPIRATIONS", "CANCELLATION_CLEANUP", "FOREMAN", "TRIGGERS"),
            *("REPOSSESSOR", "CLEANUP_RECONCILER"),
        )
    },
}


def on_google_cloud() -> bool:
    """Whether this process runs where Google Cloud has a metadata server."""
    return any(os.environ.get(name) for name in _GOOGLE_CLOUD)


def google_credentials_file() -> Path | None:
    """The file that google-auth takes credentials from before it looks anywhere else."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return Path(named) if named else None


def is_set(variable: str) -> bool:
    """Whether a variable that another library reads has a value."""
    return bool(os.environ.get(variable))


def child_environment() -> dict[str, str]:
    """For a Python process of our own: this process's variables, and nothing imported from the current folder."""
    return {**os.environ, **import_path_variables()}


def private_server_environment() -> dict[str, str]:
    """For a Prefect server that one run starts for itself."""
    console = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"  # ours is set for the run; the server's errors are read by it
    return {
        **_PREFECT_DEFAULTS,
        **_PRIVATE_SERVER_DEFAULTS,
        **child_environment(),
        console: _PRIVATE_SERVER_DEFAULTS[console],
    }


def worker_environment() -> dict[str, str]:
    """For what opens or decodes what strangers made, with one thread: no variable but those that it needs."""
    inherited = {name: os.environ[name] for name in os.environ if name in _FOR_WORKERS or name.startswith(_LOCALE)}
    return {**inherited, **import_path_variables(), **_ONE_THREAD}


def foreign_environment() -> dict[str, str]:
    """For another program, which may be written in Python.

    gcloud's own modules lie beside its script; with PYTHONSAFEPATH it does not find them
    (https://github.com/GoogleCloudPlatform/gsutil/issues/1735).
    """
    return {name: value for name, value in child_environment().items() if name != "PYTHONSAFEPATH"}


def set_prefect_defaults() -> None:
    """Make Prefect quiet, unless a variable says otherwise. Prefect reads its settings when it is imported."""
    _set_defaults(_PREFECT_DEFAULTS)


def disable_bucket_lookups() -> None:
    """Keep the client of Cloud Storage from looking up each bucket in a thread, for traces that are not collected."""
    _set_defaults({"DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true"})


def disable_onnx_telemetry() -> None:
    """Keep ONNX Runtime from writing a device id and reporting it; it reads this when it is imported."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def _set_defaults(defaults: Mapping[str, str]) -> None:
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
