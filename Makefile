# Everything a fresh machine needs is installed by the first target that is asked for.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(VENV)/setup/bin/uv
READY  := $(VENV)/.ready

SUITE    := suites/smoke/chain.yaml
BROKEN   := --set learnt.lr=1e-5
QUICKLY  := --only learnt.train=parts.train
DEMO     := reports/demo

PARALLEL = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
OLD      := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 \
            OPENBLAS_CORETYPE=Nehalem OMP_NUM_THREADS=1
SEED     := $(or $(SEED),$(shell date +%s))

.PHONY: help setup demo example smoke gpu full-size test slow test-container elsewhere fuzz mutants lint format environments rehearse trust bench lock clean

help:
	@echo "make demo    the main job: train, score, compare (unchanged), then break the subject (regressed)"
	@echo "make test    the quick tests    make slow   the slow ones     make lint   ruff and mypy"
	@echo "make fuzz    the property tests with new draws, ten times as many"
	@echo "make test-container    the chain through the images of its four components"
	@echo "make mutants small changes of the code of the verdict: the tests must notice"
	@echo "make smoke   every smoke suite  make bench  speed and memory, side by side"
	@echo "make rehearse    suites/paper and suites/micro to their verdicts, with stand-ins for models and data"
	@echo "make gpu     the smoke suites and the numbers of a GPU beside a processor's: docs/gpu.md"
	@echo "make full-size   the published architectures at full size on a processor: docs/memory.md (half an hour)"
	@echo "make trust   situations with a known answer, asked through the command line"
	@echo "make example the committed example report, anew"
	@echo "make lock    resolve requirements.lock anew"

setup: $(READY)

# Compiled here: some environments keep Python from writing bytecode, and then every process compiles torch and its kin
# anew, which takes longer than a small training.
$(READY): requirements.setup requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "harness needs Python 3.11 to 3.13; this is " + sys.version.split()[0])'
	@echo "setting up $(VENV) (once; several GB with CUDA libraries)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --upgrade --target $(VENV)/setup --requirement requirements.setup
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q harness
	@touch $@

# Both runs are shown whatever their verdicts (exit codes below 70); what they ended in is then read from their records, and
# decides whether the demo succeeds.
demo: $(READY)
	@rm -rf $(DEMO)
	@echo "1. harness run $(SUITE)"
	@$(BIN)/harness run $(SUITE) --out $(DEMO)/as-declared || test $$? -lt 70
	@echo
	@echo "2. the subject, broken:  harness run $(SUITE) $(BROKEN) $(QUICKLY)"
	@$(BIN)/harness run $(SUITE) $(BROKEN) $(QUICKLY) --out $(DEMO)/broken || test $$? -lt 70
	@echo
	@$(BIN)/python scripts/demo.py $(DEMO)/as-declared $(DEMO)/broken
	@echo "Open the reports: $(DEMO)/*/report.html"

# The committed example is what the demo ends in, at every point of the matrix: 6 is the exit code of *regressed*.
example: $(READY)
	@$(BIN)/harness run $(SUITE) $(BROKEN) --out build/example; test $$? -eq 6
	@mkdir -p reports/example
	@rm -rf reports/example/*
	@cp build/example/report.html reports/example
	@test ! -d build/example/report-files || cp -r build/example/report-files reports/example

smoke: $(READY)
	@for suite in suites/smoke/*.yaml; do $(BIN)/harness run $$suite || exit $$?; done

# For anyone with a GPU; says so where there is none (exit code 2).
gpu: $(READY)
	@$(BIN)/python scripts/gpu.py

# Needs 24 GB of memory and 45 GB of disk. ARCHITECTURE="sd15" does one.
full-size: $(READY)
	@$(BIN)/python scripts/full_size.py $(ARCHITECTURE)

test: $(READY)
	@$(PARALLEL) -m "not slow" $(PYTEST)

slow: $(READY)
	@$(PARALLEL) -m slow $(PYTEST)

# The chain through the images of its components; says so where no container engine runs.
test-container: $(READY)
	@.ci/components

# The quick tests of arithmetic as an old processor computes: no AVX, one thread.
elsewhere: $(READY)
	@env $(OLD) $(PARALLEL) -m "numeric and not slow" $(PYTEST)

# `make test` draws the same examples everywhere. What is found here goes into an @example of the test.
fuzz: $(READY)
	@echo "make fuzz SEED=$(SEED) draws the same examples again"
	@$(PARALLEL) -m hypothesis --hypothesis-profile fuzz --hypothesis-seed $(SEED) $(PYTEST)

# MODULES="harness.engine.plan harness.store.artifacts" are done alone, MUTANTS="--sample 20" does that many of each.
mutants: $(READY)
	@$(BIN)/python scripts/mutants.py $(MUTANTS) $(MODULES)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# As other machines would compute: instruction sets and threads. About an hour.
environments: $(READY)
	@$(BIN)/python scripts/environments.py suites/smoke/*.yaml

# Before anybody has a GPU and the hub: tiny models and small data under the published names.
rehearse: $(READY)
	@$(BIN)/python scripts/rehearsal/rehearse.py

# Situations with a known answer, asked through the command line: the table of docs/trust.md.
trust: $(READY)
	@$(BIN)/python scripts/trust/table.py --write

bench: $(READY)
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-columns=min,median,max,rounds

# No index address gets into the lock; one version of each package serves Python 3.11 to 3.13.
lock: $(READY)
	@version=$$($(UV) --version | cut -d' ' -f2); rm -f requirements.setup; echo "uv==$$version" | $(UV) pip compile - --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file requirements.setup
	@$(UV) pip compile pyproject.toml --quiet --universal --fork-strategy fewest --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --output-file requirements.lock

clean:
	rm -rf $(VENV) .harness build
