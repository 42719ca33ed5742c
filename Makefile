# limber: the commands a person types. Each makes the environment first, which is quick when it stands.
SHELL := /bin/bash
# Many short processes are started here; each would compile what it imports where this is set.
unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python

.PHONY: help setup demo test check bench clean
help:
	@echo "make demo        collect, train, deploy and report on the simulated arm (12 minutes at most)"
	@echo "make test        every test (10 minutes at most)"
	@echo "make check       ruff, mypy --strict, import-linter"
	@echo "make bench       every benchmark; make bench-NAME for one: $(BENCHES)"
	@echo "make setup       only the environment in .venv"

BENCHES := $(patsubst tests/benchmarks/bench_%.py,%,$(wildcard tests/benchmarks/bench_*.py))

setup:
	@.ci/setup

demo: setup
	@$(PY) -m limber_bringup.demo $(ARGS)

test: setup
	@$(PY) -m pytest tests $(ARGS)

check: setup
	@.venv/bin/ruff format --check --quiet . && .venv/bin/ruff check --quiet . && .venv/bin/mypy && .venv/bin/lint-imports --no-cache

bench: $(addprefix bench-,$(BENCHES))

bench-%: setup
	@$(PY) tests/benchmarks/bench_$*.py $(ARGS)

clean:
	rm -rf .venv runs build install log
