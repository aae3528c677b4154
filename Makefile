# Everything here works inside this folder: tools in .venv, caches in .cache, results in out.
# `make PYTHON=python3.12 setup` picks another interpreter; `make test ARGS="-k blank"` hands options on.

PYTHON ?= python3
ARGS ?=
UV_MINIMUM := 0.8

BIN := .venv/bin
SYNCED := .venv/.synced

UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
PRE_COMMIT_HOME ?= $(CURDIR)/.cache/pre-commit
UV_PROJECT_ENVIRONMENT := .venv
UV_PYTHON_DOWNLOADS := never
export UV_CACHE_DIR PRE_COMMIT_HOME UV_PROJECT_ENVIRONMENT UV_PYTHON_DOWNLOADS
# Prefect's and ONNX Runtime's: nobody is told that this was run.
PREFECT_SERVER_ANALYTICS_ENABLED := false
DO_NOT_TRACK := 1
ORT_DISABLE_TELEMETRY := 1
export PREFECT_SERVER_ANALYTICS_ENABLED DO_NOT_TRACK ORT_DISABLE_TELEMETRY
# A Prefect server, another project's environment or another interpreter that the shell knows is none of ours.
unexport PREFECT_API_URL PREFECT_API_KEY PREFECT_PROFILE VIRTUAL_ENV UV_PYTHON PYTHONPATH PYTHONHOME
# Without bytecode, each of the many processes that tests start would compile Prefect again, which takes longer than the rest.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run server test services browser vision check lint types layers lock hygiene bench clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SYNCED) ## Install the locked tools and libraries into .venv
	@echo "Ready: the locked tools and libraries are in .venv."

# uv is in the lock: whichever uv starts the first sync, the locked one does the later ones.
$(SYNCED): pyproject.toml uv.lock
	@command -v $(PYTHON) >/dev/null || { echo "make setup: there is no $(PYTHON); on Debian type: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make setup: $(PYTHON) is $$($(PYTHON) -V 2>&1); pagemill needs 3.11 or later: make PYTHON=python3.12 setup" >&2; exit 1; }
	@set -e; \
	if $(BIN)/uv --version >/dev/null 2>&1; then uv=$(BIN)/uv; \
	elif command -v uv >/dev/null; then uv=uv; $(BIN)/python -V >/dev/null 2>&1 || uv venv --quiet --clear --python $(PYTHON) .venv; \
	else \
	    $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	        echo "make setup: $(PYTHON) cannot make virtual environments; on Debian type: apt-get install python3-venv" >&2; exit 1; }; \
	    $(PYTHON) -m venv --clear .venv; \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-cache-dir 'uv>=$(UV_MINIMUM)'; \
	    uv=$(BIN)/uv; \
	fi; \
	$$uv sync --locked --all-extras
	@touch $@

.cache:
	@mkdir -p $@

run: $(SYNCED) | .cache ## Read the sample PDFs into out/ on this machine, then compare with what they say
	PREFECT_HOME="$(CURDIR)/.cache/prefect" $(BIN)/pagemill run tests/samples out --endpoint local --prefect $(ARGS)
	$(BIN)/pagemill eval out tests/samples --max-cer 0.1 --min-word-f1 0.95

server: $(SYNCED) | .cache ## Start a Prefect server for development on 127.0.0.1:4200, with the settings that lose nothing
	@echo 'In another terminal: export PREFECT_API_URL=http://127.0.0.1:4200/api'
	@set -a; . deployments/server/lasting.env; set +a; \
	    PREFECT_HOME="$(CURDIR)/.cache/prefect-server" exec $(BIN)/prefect server start --host 127.0.0.1 $(ARGS)

PYTEST := PREFECT_HOME="$(CURDIR)/.cache/prefect-tests" $(BIN)/python -m pytest --durations=10

# In more processes than a small machine has cores, because tests wait a lot. In the second part, the tests that share a
# Prefect server run in one process: see tests/conftest.py. In CI, those of `make services` are among them: they wait most.
test: $(SYNCED) | .cache ## Run the tests: first the quick ones, then whole batches, Prefect servers and OCR engines
	$(PYTEST) --ignore tests/browser -n 3 --dist worksteal -m "not flow and not ocr and not slow and not browser" $(ARGS)
	$(PYTEST) --ignore tests/browser -n 4 --dist loadgroup --no-loadscope-reorder -m "(flow or ocr or slow) $(if $(filter true,$(CI)),,and not services)" $(ARGS)

services: $(SYNCED) | .cache ## Run the tests of a Prefect server of several processes; they need PostgreSQL and Redis
	$(PYTEST) -n 2 --dist loadgroup --no-loadscope-reorder -m services $(ARGS)

browser: $(SYNCED) | .cache ## Run the tests that drive the Prefect UI in Chromium; pictures go to .cache/pictures
	$(PYTEST) -m browser $(ARGS)

# vLLM's own sources, in an environment of their own: its libraries and ours do not go together. pip, because it knows where
# this machine keeps a torch for CPUs, if it does.
VLLM := .cache/vllm
VISION := tests/vision_plugin

$(VLLM)/.installed: $(VISION)/requirements.txt Makefile | .cache
	$(PYTHON) -m venv --clear $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check -r $(VISION)/requirements.txt
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps vllm==0.22.1 torchvision==0.28.0
	@touch $@

vision: $(VLLM)/.installed ## Test the GPU image's plugin beside the vLLM that it is written for, on this CPU
	PYTHONPATH="$(CURDIR)" $(VLLM)/bin/python -m pytest -c $(VISION)/pytest.ini --confcutdir $(VISION) $(VISION) $(ARGS)

check: lint types layers lock hygiene ## Everything but the tests: style, types, layers, lock, hygiene

lint: $(SYNCED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(SYNCED)
	$(BIN)/mypy

layers: $(SYNCED)
	$(BIN)/lint-imports

lock: $(SYNCED)
	$(BIN)/uv lock --check

hygiene: $(SYNCED)
	$(BIN)/pre-commit run --all-files --hook-stage manual

bench: $(SYNCED) | .cache ## Measure what the project promises
	PREFECT_HOME="$(CURDIR)/.cache/prefect-bench" $(BIN)/python -m benchmarks.run_all $(ARGS)

clean: ## Remove all that these targets made, .venv and out/ included
	rm -rf .venv .cache out dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
