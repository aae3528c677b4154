"""Sees that what was pinned fits together: transformers, the model's config, vLLM, the plugin. Runs at build."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ARCHITECTURE = "LightOnOCRForConditionalGeneration"
MODEL_TYPE = "mistral3"  # a later revision says lighton_ocr, which only transformers 5 knows


def check_transformers(version: str, folder: Path) -> str:
    """Parse config and tokenizer with the installed transformers; return what is wrong, or nothing.

    Args:
        version: The one that has to be installed.
        folder: Of the model.
    """
    import transformers  # noqa: PLC0415 -- of the image

    if transformers.__version__ != version:
        return f"transformers {transformers.__version__} is installed, not {version}; see constraints.txt"
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, KeyError) as error:
        return f"transformers {version} cannot parse the model in {folder}: {error}"
    if config.model_type != MODEL_TYPE or ARCHITECTURE not in (config.architectures or []):
        return (
            f"the config in {folder} is of type {config.model_type} with the architectures {config.architectures}; "
            f"reviewed were {MODEL_TYPE} and {ARCHITECTURE}"
        )
    return ""


def check_vllm() -> str:
    """Look whether the installed vLLM serves the architecture; return what is wrong, or nothing."""
    from vllm import ModelRegistry, __version__  # noqa: PLC0415 -- of the image

    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        return f"vLLM {__version__} does not serve {ARCHITECTURE}"
    return ""


def check_plugin() -> str:
    """Look whether the plugin fits the installed vLLM; return what is wrong, or nothing."""
    from pagemill_vision import installation  # noqa: PLC0415 -- of the image

    try:
        installation.install()
    except RuntimeError as error:
        return str(error)
    return ""


def main() -> None:
    """Read the arguments; exit with what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transformers", required=True)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if wrong := check_transformers(given.transformers, given.folder) or check_vllm() or check_plugin():
        sys.exit(f"check_image: {wrong}")


if __name__ == "__main__":
    main()
