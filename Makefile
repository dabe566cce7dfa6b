# Needs Python 3.11 or newer, git and pip; everything else is installed into .venv, at the versions of constraints.txt.

.DEFAULT_GOAL := help
.PHONY: help run mini test style types check faults gpu docs clean

TIME ?= 15m  # how long `make run` trains before it stops; the next call goes on from there
JOBS ?= 2    # processes that share the tests
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
SOURCES := pyproject.toml $(shell find ntm baselines benchmarks report -name '*.py' -o -path '*/templates/*' \
	-o -type d -not -name __pycache__)  # a folder is newer once a file is gone

# A run that crashed (exit 1) still leaves a report to draw; bad usage or Ctrl-C does not.
define run_and_report
code=0; .venv/bin/bench run --suite $(1) $(2) || code=$$?; \
if [ $$code -le 1 ]; then .venv/bin/bench report --suite $(1); fi && exit $$code
endef

help:
	@echo 'make run    train and report Collier & Beel 2018 for 15 minutes, or TIME=8h; run it again to go on'
	@echo 'make mini   the same design in miniature, to its end, in minutes'
	@echo 'make test   every check: style, types, and the tests against the installed wheel'
	@echo 'make faults the slow tests: kills, full disks, hostile files'
	@echo 'make gpu    on a machine with a GPU: its tests, and its speed in results/speed-gpu.json, in ten minutes'
	@echo 'make docs   the documentation as a site, build/docs/index.html'
	@echo 'make clean  remove what make made; results stay'

run: .venv/ready
	@$(call run_and_report,collier2018,--time-limit $(strip $(TIME)))

mini: .venv/ready
	@$(call run_and_report,mini)

test: style types check

style: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/ready build/types
	MYPYPATH=build/types .venv/bin/mypy -p membench

# The folders as the package that they become, so that errors name files one can edit.
.PHONY: build/types
build/types:
	@mkdir -p build/types/membench
	@for folder in ntm baselines benchmarks report; do ln -sfn ../../../$$folder build/types/membench/$$folder; done

# What a user gets: the wheel, installed where Python looks before it looks at the checkout.
check: build/installed/ready
	PYTHONPATH=$(CURDIR)/build/installed MEMBENCH_INSTALLED=$(CURDIR)/build/installed OMP_NUM_THREADS=1 \
	.venv/bin/pytest -m 'not slow and not gpu' -n $(strip $(JOBS)) --dist loadfile

# Minutes, not seconds.
faults: .venv/ready
	.venv/bin/pytest -m slow

# Ten minutes at most: five for what is measured, and the tests with what is left. Says so where there is no GPU.
gpu: .venv/ready
	.venv/bin/bench speed --suite collier2018 --device cuda --task copy --model ntm-constant-cosine --model lstm \
	--results results --time-limit 4m
	timeout 280 .venv/bin/pytest -m gpu -n 0

# Installs what it needs on first use.
docs: .venv/ready build/types
	.venv/bin/pip install -q --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict
	@echo 'See build/docs/index.html'

build/installed/ready: .venv/ready $(SOURCES)
	rm -rf build/lib build/bdist.* build/wheel build/installed
	.venv/bin/pip wheel -q --no-deps --no-build-isolation --wheel-dir build/wheel .
	.venv/bin/pip install -q --no-deps --target build/installed build/wheel/membench-*.whl
	touch $@

.venv/ready: pyproject.toml constraints.txt
	@test -n '$(PYTHON)' || { echo 'make: needs Python 3.11 or newer; say PYTHON=/path/to/it' >&2; exit 2; }
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q --disable-pip-version-check -c constraints.txt setuptools
	.venv/bin/pip install -q --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build membench.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find ntm baselines benchmarks report tests -name __pycache__ -type d -prune -exec rm -rf {} +
