# Everything works from a fresh checkout with python3.11, make and git: each target makes .venv itself.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test check lint types format clean

demo: .venv/installed
	$(BIN)/wordlab demo

test: .venv/installed-dev
	$(BIN)/pytest -n 2 --dist worksteal

check: lint types
	$(BIN)/pytest -n 0 tests/test_architecture.py tests/test_docs.py

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	$(PYTHON) -m venv .venv

NATIVE := setup.py $(wildcard src/wordlab/native/*.?pp)

.venv/installed: .venv/bin/python pyproject.toml constraints.txt $(NATIVE)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv src/wordlab/native/*.so build dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
