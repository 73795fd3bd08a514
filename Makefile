# Every target does its own set-up. A bare machine needs python3 (3.11 or newer) with venv, make,
# libgomp1 and a package registry; nothing else is fetched or expected.
PYTHON ?= python3
VENV ?= .venv
BASE ?= main
ARGS ?=
T ?=
# Many tests wait for a server or a disk: two processes take a third of the time.
TEST_PROCESSES ?= 2

BIN := $(VENV)/bin
RUN := $(VENV)/run.stamp
DEV := $(VENV)/dev.stamp
PROTO := .venv-proto/stamp
PIP := -m pip --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --no-strip-extras --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(ARGS)

comma := ,
# What tries orders, faults and lives at random: `make soak` tries twelve times as many.
LONG := tests/stories tests/test_order.py tests/listings/test_random_lives.py tests/remedies
# $(call need,a command that must succeed,the sentence that is said when it does not)
need = @$(1) >/dev/null 2>&1 || { echo "$(2)" >&2; exit 1; }
# $(call generate,the folder that receives credit_service/v1)
generate = PATH="$(CURDIR)/.venv-proto/bin:$$PATH" python -m grpc_tools.protoc -I proto --python_out=$(1) \
	--grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) proto/credit_service/v1/*.proto \
	&& echo '"""Generated from proto/credit_service/v1; never edited."""' > $(1)/credit_service/v1/__init__.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-dev demo test check format-check lint types imports proto-lint proto-breaking \
	proto-fresh fix proto cover soak migrate bench bench-large verify-ledger train evaluate backtest publish-model \
	simulate lock clean

help: ## Show this list
	@echo "make <target>    ($(PYTHON), $(VENV); give a command its own arguments with ARGS=\"…\")"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(BIN)/pip:
	$(call need,$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3$(comma)11))',Need Python 3.11 or newer: install the system package python3 or name one with PYTHON=python3.12.)
	$(call need,$(PYTHON) -c 'import ensurepip; import venv',Need the venv module of $(PYTHON): install the system package python3-venv.)
	$(call need,$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")',Need the OpenMP library of LightGBM: install the system package libgomp1.)
	$(PYTHON) -m venv $(VENV)

$(RUN): requirements.txt pyproject.toml | $(BIN)/pip
	$(BIN)/python $(PIP) install --require-hashes -r requirements.txt
	$(BIN)/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	$(BIN)/python $(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

$(PROTO): requirements-proto.txt | $(BIN)/pip
	$(PYTHON) -m venv --clear .venv-proto
	.venv-proto/bin/python $(PIP) install --require-hashes -r requirements-proto.txt
	@touch $@

setup: $(RUN) ## Make the virtual environment that runs the service, from hashed requirements
setup-dev: $(DEV) ## Add the tools of the desk to it: pytest, mypy, ruff, import-linter, buf, uv

demo: $(RUN) ## Run the whole main job on real records and say what came out; writes build/demo.json
	$(BIN)/python -m training demo $(ARGS)

test: $(DEV) ## Run the tests on SQLite and PostgreSQL; T=path runs one part
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(T) $(ARGS)

check: format-check lint types imports proto-lint proto-breaking proto-fresh cover ## Run everything that must hold before a change goes in

format-check: $(DEV) ## Fail on a file that `make fix` would lay out differently
	$(BIN)/ruff format --check .
	$(BIN)/buf format --diff --exit-code proto

lint: $(DEV) ## Check the code against the rules of pyproject.toml
	$(BIN)/ruff check .

types: $(DEV) ## Check the types, strictly
	$(BIN)/mypy

imports: $(DEV) ## Check the import ladder
	$(BIN)/lint-imports

proto-lint: $(DEV) ## Check the contract: names, layout, a comment on every element
	cd proto && $(abspath $(BIN))/buf lint

proto-breaking: $(DEV) ## Fail when the contract breaks what BASE (default main) promised
	@git cat-file -e $(BASE):proto/buf.yaml 2>/dev/null || echo "$(BASE) holds no contract yet: nothing can break."
	@! git cat-file -e $(BASE):proto/buf.yaml 2>/dev/null || $(BIN)/buf breaking proto --against '.git#branch=$(BASE),subdir=proto'

proto-fresh: $(PROTO) ## Fail when the generated code is not what the contract generates
	@rm -rf build/proto && mkdir -p build/proto
	@$(call generate,build/proto)
	@diff -r -x __pycache__ build/proto/credit_service/v1 credit_service/v1 || { echo "credit_service/v1 is stale: run make proto." >&2; exit 1; }

fix: $(DEV) ## Lay out the code and the contract, and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write proto

proto: $(PROTO) ## Generate credit_service/v1 from the contract
	rm -f credit_service/v1/*_pb2*
	$(call generate,.)

cover: $(DEV) ## Run the tests, fail below the least branch coverage, and write it as pages under build/coverage-pages
	$(BIN)/python -m pytest --cov --cov-report=html $(ARGS)

soak: $(DEV) ## Try 12 times as many faults and orders as `make test`, SOAK_ROUNDS=n for another figure; writes build/faults.json
	SOAK_ROUNDS=$${SOAK_ROUNDS:-12} $(BIN)/python -m pytest --no-cov --durations=12 $(LONG) $(ARGS)

bench: $(DEV) ## Measure collection against the plain driver, trials, the daily tick and grading, as ratios; writes build/bench.json
	$(BIN)/python -m tests.bench $(ARGS)

bench-large: $(DEV) ## The same at five million events and a million subjects
	$(BIN)/python -m tests.bench --events 5000000 --subjects 1000000 $(ARGS)

migrate: $(RUN) ## Bring the database named by CREDIT_SERVICE_DATABASE_URL to the newest tables
	$(BIN)/credit-service migrate $(ARGS)

verify-ledger: $(RUN) ## Recompute every hash of the ledger and name the first broken link
	$(BIN)/credit-service verify-ledger $(ARGS)

train: $(RUN) ## Train a model from the records under training/data
	$(BIN)/python -m training fit $(ARGS)

evaluate: $(RUN) ## Measure a model against its baselines
	$(BIN)/python -m training evaluate $(ARGS)

backtest: $(RUN) ## Measure the evaluation tasks on real records beside simple rivals; writes build/backtest.json
	$(BIN)/python -m training backtest $(ARGS)

publish-model: $(RUN) ## Sign a trained model with a key file outside the repository and put it under models
	$(BIN)/python -m training publish $(ARGS)

simulate: $(RUN) ## Make a simulated city of any size
	$(BIN)/python -m training simulate $(ARGS)

lock: $(DEV) ## Rewrite the hashed requirement files from pyproject.toml; ARGS=--upgrade takes newer versions
	$(LOCK) pyproject.toml --extra postgres --extra import --group build --group training --output-file requirements.txt
	$(LOCK) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(LOCK) --group proto --output-file requirements-proto.txt

clean: ## Remove everything that make made, the virtual environments included
	rm -rf build dist $(VENV) .venv-proto .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find credit_service training tests -name __pycache__ -type d -prune -exec rm -rf {} +
