# Everything from a clone: Python 3.11 or later, git and pip are all that is needed.

PYTHON ?= python3
TIME ?= 15m
BIN = .venv/bin
PACKAGES = ntm baselines benchmarks report

.PHONY: run mini test faults clean

# Train collier2018 for TIME, from where the last call stopped, and draw the report.
run: .venv/ready
	$(BIN)/bench run --suite collier2018 --time-limit $(TIME)
	$(BIN)/bench report --suite collier2018

# The same in miniature, to its end.
mini: .venv/ready
	$(BIN)/bench run --suite mini
	$(BIN)/bench report --suite mini

# All checks: style, types, and the tests against the wheel that would be installed.
test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/types build/dist build/installed build/lib
	mkdir -p build/types/membench
	for package in $(PACKAGES); do ln -s ../../../$$package build/types/membench/$$package; done
	MYPYPATH=build/types $(BIN)/mypy -p membench
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir build/dist .
	$(BIN)/pip install --quiet --no-deps --target build/installed build/dist/*.whl
	MEMBENCH_INSTALLED=build/installed PYTHONPATH=build/installed $(BIN)/pytest -n 2

# The slow half of the tests: kills, full disks, hostile files, thousands of runs.
faults: .venv/ready
	$(BIN)/pytest -m slow

clean:
	rm -rf .venv build *.egg-info

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable ".[dev]" --constraint constraints.txt
	touch .venv/ready
