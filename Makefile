# make report: install, run the quick profile, write runs/quick/report.html
# make test:   install, then lint, types, tests and every notebook at the tiny profile
PYTHON ?= python3
PROFILE ?= quick
BIN := .venv/bin

.PHONY: report test lint types notebooks lock clean

report: .venv/installed
	$(BIN)/fairkd reproduce $(PROFILE)

test: lint types
	$(BIN)/python -m pytest

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-test
	$(BIN)/mypy

notebooks: .venv/installed-test  ## bring the parameters cells into step with fairkd.Profile
	$(BIN)/python -m fairkd.notebooks
	$(BIN)/ruff format notebooks

lock: .venv/installed-test  ## write down the versions that are installed
	(echo "# Versions that fairkd was tested with (Python 3.11). Made by 'make lock'."; $(BIN)/python -m pip freeze --exclude-editable | sed "s/+cpu//") > constraints.txt

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv runs .mypy_cache .ruff_cache .pytest_cache
