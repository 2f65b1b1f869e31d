# make report: install, run the quick profile, write runs/quick/report.html
# make test:   install, then lint, types, tests and every notebook at the tiny profile
# make fuzz:   install, then the property tests with examples that nobody has drawn before
# make bench:  install, then measure the table of speed goals (about half an hour; nothing else should run)
PYTHON ?= python3
PROFILE ?= quick
BIN := .venv/bin

.PHONY: report test fuzz bench lint types notebooks lock clean

report: .venv/installed
	$(BIN)/fairkd reproduce $(PROFILE)

# axe-core checks the report's accessibility; without npm that test is skipped, and says so.
AXE := node_modules/axe-core/axe.min.js

# What takes longest is begun first, so that neither process waits for the other at the end.
LONGEST := tests/notebooks tests/test_benchmarks.py tests/test_chain.py tests/lab tests/run tests/browser \
  tests/test_distill.py tests/test_types.py
test: lint $(AXE)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -rs $(LONGEST) tests

$(AXE):
	@npm install --silent --prefix . --no-save --no-package-lock --no-audit --no-fund --fetch-retries=0 axe-core@4.14.0 \
	  || echo "no axe-core from npm: the accessibility tests will be skipped"

fuzz: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --hypothesis-profile=fuzz $$(grep -rl --include='test_*.py' 'hypothesis import .*given' tests)

bench: .venv/installed
	$(BIN)/python -m benchmarks

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-test
	$(BIN)/mypy

notebooks: .venv/installed-test  ## bring the parameters cells into step with fairkd.Profile
	$(BIN)/python -m fairkd.run.parameters_cells
	$(BIN)/ruff format notebooks

lock: .venv/installed-test  ## write down the versions that are installed
	(echo "# Versions that fairkd was tested with (Python 3.11). Made by 'make lock'."; $(BIN)/python -m pip freeze --exclude-editable | sed "s/+cpu//") > constraints.txt

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "fairkd needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

clean:  ## everything that an install and tests leave; never runs/, which holds trained students
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
