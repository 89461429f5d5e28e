# `make demo` and `make test` do everything on a machine with Python 3.11+, a JDK 17+ and Maven.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := .build
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' neo4j_relpred/__init__.py)
JAR := procedures/target/relpred-procedures-$(VERSION).jar
JAVA_SOURCES := $(shell find procedures/src/main -type f) procedures/pom.xml
LINES ?= 5 2026
SECONDS ?= 600
TESTS := $(BIN)/python -m pytest -q tests --ignore=tests/integration --ignore=tests/reliability --numprocesses 2 --dist loadfile
FAST_TESTS := $(TESTS) -m "not slow"
export HF_HUB_OFFLINE ?= 1
export NUMBA_CACHE_DIR ?= $(CURDIR)/$(BUILD)/numba
unexport PYTHONDONTWRITEBYTECODE # a tenth of the fast tests would be reading sources again

.PHONY: setup demo test test-unit test-slow test-integration test-java reliability soak fuzz check format bench build lock clean

setup: $(VENV)/.ready $(JAR) ## Make the environment, the jar and the server homes.
	@for line in $(LINES); do $(BIN)/python -m neo4j_relpred.demo.prepare --line $$line --cache $(BUILD) || exit 1; done

demo: LINES :=
demo: setup ## The main job on an embedded Neo4j.
	$(BIN)/relpred demo --cache $(BUILD)

test: setup check test-slow test-java test-integration ## Everything, on both server lines.

test-unit: $(VENV)/.ready
	$(FAST_TESTS)

test-slow: $(VENV)/.ready ## What trains or waits for seconds.
	$(TESTS) -m slow

test-integration: setup ## Both lines side by side: each is a server and a process, which wait for one another.
	@$(MAKE) --no-print-directory -j2 --output-sync=target $(LINES:%=test-line-%)

test-line-%:
	@echo "Integration tests on Neo4j line $*"
	@RELPRED_TEST_NEO4J=$* $(BIN)/python -m pytest -q tests/integration
	@RELPRED_TEST_NEO4J=$* $(BIN)/python -m pytest -q tests/reliability

reliability: setup ## What must survive kills, cuts and races, at full length.
	RELPRED_TEST_FULL=1 $(BIN)/python -m pytest tests/reliability

soak: setup ## A daemon among faults, for half an hour.
	RELPRED_TEST_FULL=1 RELPRED_TEST_SOAK_MINUTES=30 $(BIN)/python -m pytest --log-cli-level=WARNING tests/reliability/test_soak.py

fuzz: $(VENV)/.ready ## The whole HTTP interface, driven by its own description, for ten minutes; SECONDS=60 for one.
	RELPRED_TEST_FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest --log-cli-level=INFO tests/unit/service/test_fuzz.py

test-java: $(VENV)/.ready
	mvn -q -B -f procedures -Drevision=$(VERSION) verify

check: $(VENV)/.ready ## Format, lint, types, import contracts, maxima, docs, fast tests.
	$(BIN)/ruff format --check neo4j_relpred tests benchmarks docs
	$(BIN)/ruff check neo4j_relpred tests benchmarks docs
	$(BIN)/mypy neo4j_relpred tests benchmarks docs
	$(BIN)/lint-imports
	$(FAST_TESTS)

format: $(VENV)/.ready
	$(BIN)/ruff format neo4j_relpred tests benchmarks docs
	$(BIN)/ruff check --fix neo4j_relpred tests benchmarks docs

bench: setup ## make bench NAME=demo ARGS="--json out.json"
	$(BIN)/python -m benchmarks.$(NAME) $(ARGS)

build: $(VENV)/.ready $(JAR) ## Wheel (with the jar in it) and jar, one version number.
	mkdir -p neo4j_relpred/demo/plugins && cp $(JAR) neo4j_relpred/demo/plugins/
	$(VENV)/uv/bin/uv build --wheel --python $(BIN)/python

lock: $(VENV)/.ready ## Renew requirements.lock from pyproject.toml.
	$(VENV)/uv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra demo --extra dev --extra onnx --extra tune --extra finetune --extra tensorboard --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) $(BUILD) procedures/target neo4j_relpred/demo/plugins dist

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)/uv
	$(VENV)/uv/bin/pip install -q --disable-pip-version-check uv
	$(VENV)/uv/bin/uv venv -q --allow-existing --python $(PYTHON) $(VENV)
	$(VENV)/uv/bin/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	$(VENV)/uv/bin/uv pip install -q --python $(BIN)/python --no-deps -e .
	touch $@

$(JAR): $(JAVA_SOURCES) neo4j_relpred/__init__.py
	mvn -q -B -f procedures -Drevision=$(VERSION) -DskipTests package
	touch $@
