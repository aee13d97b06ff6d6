# Everything a fresh machine needs is installed by the first target that is asked for.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(VENV)/setup/bin/uv
READY  := $(VENV)/.ready

SUITE    := suites/smoke/chain.yaml
BROKEN   := --set learnt.epochs=1
QUICKLY  := --only learnt.train=parts.train
DEMO     := reports/demo

.PHONY: help setup demo example smoke test lint format bench lock clean

help:
	@echo "make demo    the main job: train, score, compare (unchanged), then break the subject (regressed)"
	@echo "make test    the tests          make lint   ruff and mypy"
	@echo "make smoke   every smoke suite  make bench  speed and memory, side by side"
	@echo "make example the committed example report, anew"
	@echo "make lock    resolve requirements.lock anew"

setup: $(READY)

$(READY): requirements.setup requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "harness needs Python 3.11 to 3.13; this is " + sys.version.split()[0])'
	@echo "setting up $(VENV) (once; several GB with CUDA libraries)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --upgrade --target $(VENV)/setup --requirement requirements.setup
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The second run must end in exit code 1 (regressed): anything else fails the demo.
demo: $(READY)
	@echo "1. harness run $(SUITE)"
	@$(BIN)/harness run $(SUITE) --out $(DEMO)/as-declared
	@echo
	@echo "2. the subject, broken:  harness run $(SUITE) $(BROKEN) $(QUICKLY)"
	@$(BIN)/harness run $(SUITE) $(BROKEN) $(QUICKLY) --out $(DEMO)/broken; test $$? -eq 1
	@echo
	@echo "Unchanged, then regressed, as it should be. Open the reports: $(DEMO)/*/report.html"

# The committed example is what the demo ends in, at every point of the matrix.
example: $(READY)
	@$(BIN)/harness run $(SUITE) $(BROKEN) --out build/example; test $$? -eq 1
	@mkdir -p reports/example
	@rm -rf reports/example/*
	@cp build/example/report.html reports/example
	@test ! -d build/example/report-files || cp -r build/example/report-files reports/example

smoke: $(READY)
	@for suite in suites/smoke/*.yaml; do $(BIN)/harness run $$suite || exit $$?; done

test: $(READY)
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(PYTEST)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY)
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-columns=min,median,max,rounds

# No index address gets into the lock; one version of each package serves Python 3.11 to 3.13.
lock: $(READY)
	@version=$$($(UV) --version | cut -d' ' -f2); rm -f requirements.setup; echo "uv==$$version" | $(UV) pip compile - --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file requirements.setup
	@$(UV) pip compile pyproject.toml --quiet --universal --fork-strategy fewest --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --output-file requirements.lock

clean:
	rm -rf $(VENV) .harness build
