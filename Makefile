# make report: install, run the quick profile, write runs/quick/report.html
# make test:   install, then lint, types, tests and every notebook at the tiny profile
# make slow:   install, then the tests that take minutes: profiles for a GPU cut short, kills, signals, damage, hostile texts
# make fuzz:   install, then the property tests with examples that nobody has drawn before
# make trust:  install, then every fault of docs/trust.md, often (about an hour)
# make rehearsal: install, then the paper's profile at its real shapes, two updates of each stage (about an hour)
# make audit:  install, then ask PyPI for known weaknesses of the locked versions
# make gpu-check: install, then see whether training works on this GPU, and how fast (8 minutes at most)
# make bench:  install, then measure the table of speed goals (about half an hour; nothing else should run)
PYTHON ?= python3
PROFILE ?= quick
BIN := .venv/bin

PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# On Linux, PyPI's build of torch brings several GB of CUDA libraries. Where there is no NVIDIA driver, and PyTorch's own
# index answers within 3 seconds, its CPU build is taken first, and pip keeps it; whatever fails here, pip goes on as ever.
CPU_INDEX ?= https://download.pytorch.org/whl/cpu
ASK = import signal, sys, urllib.request as web; signal.alarm(3); web.urlopen(sys.argv[1])
DRIVER ?= /proc/driver/nvidia/version
CPU_TORCH = if [ "$$(uname -s)" != Linux ] || [ -e $(DRIVER) ] || nvidia-smi -L >/dev/null 2>&1; then :; \
  elif ! $(BIN)/python -c '$(ASK)' $(CPU_INDEX)/torch/ >/dev/null 2>&1; then \
  echo "$(CPU_INDEX) does not answer: torch comes from pip's own index"; \
  elif $(PIP) --no-deps --index-url $(CPU_INDEX) torch; then echo "no NVIDIA driver: took the CPU build of torch"; \
  else echo "no CPU build of torch: it comes from pip's own index"; fi

.PHONY: report test slow fuzz trust rehearsal audit bench gpu-check lint types notebooks lock clean

report: .venv/installed
	$(BIN)/fairkd reproduce $(PROFILE)

# axe-core checks the report's accessibility; without npm that test is skipped, and says so.
# Processes that the tests start compile the package once, whatever the machine has set.
test slow trust report rehearsal: export PYTHONDONTWRITEBYTECODE =

AXE := node_modules/axe-core/axe.min.js

test: lint $(AXE)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -rs -m "not slow" tests

slow: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs -m slow tests

$(AXE):
	@npm install --silent --prefix . --no-save --no-package-lock --no-audit --no-fund --fetch-retries=0 axe-core@4.14.0 \
	  || echo "no axe-core from npm: the accessibility tests will be skipped"

fuzz: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --hypothesis-profile=fuzz $$(grep -rl --include='test_*.py' 'hypothesis import .*given' tests)

trust: .venv/installed-test  ## every fault as often as docs/trust.md says, which this writes (about an hour)
	FAIRKD_TRUST=long FAIRKD_TRUST_TABLE=docs/trust.md $(BIN)/python -m pytest tests/trust $$(grep -rl --include='test_*.py' '^from long_form import' tests) -rs

rehearsal: .venv/installed-test
	FAIRKD_REHEARSAL=real $(BIN)/python -m pytest -s tests/test_rehearsal.py

audit: .venv/installed  ## known weaknesses of the locked versions, from PyPI's advisories
	$(BIN)/python -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.venv/audit/bin/pip-audit --disable-pip --no-deps --progress-spinner off --timeout 5 -r constraints.txt

bench: .venv/installed
	$(BIN)/python -m benchmarks

gpu-check: .venv/installed
	$(BIN)/python -m benchmarks.gpu --out runs/benchmarks/gpu.json

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
	@$(CPU_TORCH)
	$(PIP) -e .
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) -e '.[test]'
	touch $@

clean:  ## everything that an install and tests leave; never runs/, which holds trained students
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
