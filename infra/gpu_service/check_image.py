"""Checks during the build that the pinned transformers, the model's config, vLLM, the plugin and CUDA fit together."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ARCHITECTURE = "LightOnOCRForConditionalGeneration"
MODEL_TYPE = "mistral3"  # later revisions have lighton_ocr, which only transformers 5 knows


def check_transformers(version: str, folder: Path) -> str:
    """Parse config and tokenizer with the installed transformers; return an error message, or an empty string.

    Args:
        version: The version that has to be installed.
        folder: The model's folder.
    """
    import transformers  # noqa: PLC0415 -- only in the image

    if transformers.__version__ != version:
        return f"transformers {transformers.__version__} is installed, not {version}; see constraints.txt"
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, KeyError) as error:
        return f"transformers {version} cannot parse the model in {folder}: {error}"
    if config.model_type != MODEL_TYPE or ARCHITECTURE not in (config.architectures or []):
        return (
            f"the config in {folder} has the type {config.model_type} and the architectures {config.architectures}; "
            f"expected are {MODEL_TYPE} and {ARCHITECTURE}"
        )
    return ""


def check_vllm() -> str:
    """Check that the installed vLLM serves the architecture; return an error message, or an empty string."""
    from vllm import ModelRegistry, __version__  # noqa: PLC0415 -- only in the image

    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        return f"vLLM {__version__} does not serve {ARCHITECTURE}"
    return ""


def check_plugin() -> str:
    """Check that the plugin is off, or fits the installed vLLM; return an error message, or an empty string."""
    from pagemill_vision import SWITCH  # noqa: PLC0415 -- only in the image

    if os.environ.get(SWITCH, "1") == "0":
        return ""
    from pagemill_vision import installation  # noqa: PLC0415 -- imports vLLM

    try:
        installation.install()
    except RuntimeError as error:
        return str(error)
    return ""


def check_cuda_compat(folder: str) -> str:
    """Check that the libraries of forward compatibility would be used; return an error message, or an empty string.

    Args:
        folder: Where they are; empty: they are not wanted.
    """
    if not folder:
        return ""
    if not Path(folder, "libcuda.so.1").exists():
        return f"_CUDA_COMPAT is '{folder}', which holds no libcuda.so.1; NVIDIA's images have /usr/local/cuda/compat"
    if os.environ.get("LD_LIBRARY_PATH", "").split(":")[0] != folder:
        return f"_CUDA_COMPAT is '{folder}', but LD_LIBRARY_PATH does not begin with it"
    return ""


def main() -> None:
    """Read the arguments, run the checks, exit with the first error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transformers", required=True)
    parser.add_argument("--cuda-compat", default="")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    checked = check_transformers(given.transformers, given.folder) or check_vllm() or check_plugin()
    if wrong := checked or check_cuda_compat(given.cuda_compat):
        sys.exit(f"check_image: {wrong}")


if __name__ == "__main__":
    main()
