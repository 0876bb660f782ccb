# Each target sets up what it needs first; a set-up that was done already takes no time.

PY := .venv/bin/python
# Tests start hundreds of processes: what one compiles, the next is to find.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest
SOURCES := sipstack callctl tests bench scripts examples
WORKERS ?= 6 # of the tests: they wait for real clients more than they compute
PROCESSES ?= 2
SEED ?= 1
RUNS ?= 10000
FUZZ_INPUTS ?= 1000000

.DEFAULT_GOAL := help
.PHONY: help setup setup-run demo lab test check bench trace replay sim explore hostile fuzz docs layers lint type fmt clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## all that the tests need: .venv, Python packages, real SIP clients
	@scripts/setup dev

setup-run:
	@scripts/setup run

demo: setup-run  ## three nodes, onboarded, a sleeping phone, one call: the ladder and a verdict
	@.venv/bin/callctl demo

lab: setup-run  ## the demo cluster, left up for your own softphone, until Ctrl-C
	@.venv/bin/callctl lab

test: setup  ## every test
	$(PYTEST) -n $(WORKERS)

check: setup  ## format, lint, types, layers, tests, a short simulation
	.venv/bin/ruff format --check $(SOURCES)
	$(MAKE) --no-print-directory lint type layers test
	.venv/bin/callctl sim --seed $(SEED) --runs 200

bench:  ## cost per operation beside Kamailio and sippy, written to docs/benchmark.md
	@scripts/setup bench
	$(PY) -m bench.run --write docs/benchmark.md

trace: setup  ## which requirement has a passing test; runs the tests if the last run is stale
	@$(PY) scripts/trace_requirements.py --check-fresh || $(PYTEST) -q -n $(WORKERS)
	@$(PY) scripts/trace_requirements.py --require tests/requirements_required.txt

replay: setup-run  ## the captures of pcaps/, their parties played again
	.venv/bin/callctl replay run pcaps

sim: setup-run  ## the simulated world, RUNS seeds from SEED
	.venv/bin/callctl sim --seed $(SEED) --runs $(RUNS) --processes $(PROCESSES)

explore: setup-run  ## the small model, with every two losses there can be
	.venv/bin/callctl sim --explore --processes $(PROCESSES)

hostile: setup  ## captures made to break the reader, at their full size
	CALLCTL_FULL_SIZE=1 $(PYTEST) tests/hostile/test_captures.py

fuzz: setup  ## FUZZ_INPUTS mutated messages against the parsers
	$(PYTEST) tests/property -n $(PROCESSES) --fuzz-inputs $(FUZZ_INPUTS)

docs: setup  ## the generated pages of docs/
	$(PY) -m callctl.model.reference > docs/cluster-file.md
	$(PY) -m callctl.cli.reference > docs/cli.md
	$(PY) -m callctl.fleet.reference > docs/fleet.md
	$(PY) -m callctl.push.capability.reference > docs/capabilities.md
	$(PY) -m callctl.serviceability.alarm_reference > docs/alarms.md
	$(PY) -m callctl.serviceability.counter_reference > docs/counters.md
	$(PY) -m callctl.replay.reference > docs/replay.md
	$(PY) -m callctl.sim.failover > docs/failover.md
	$(PY) -m callctl.sim.stories > docs/stories.md
	$(PY) -m callctl.sim.world_file.reference > docs/simulation.md
	$(PY) scripts/list_proofs.py

layers: setup  ## the direction of imports, and what cores may not touch
	.venv/bin/lint-imports

lint: setup  ## ruff
	.venv/bin/ruff check $(SOURCES)

type: setup  ## mypy, strict
	.venv/bin/mypy

fmt: setup  ## format the sources
	.venv/bin/ruff check --fix $(SOURCES)
	.venv/bin/ruff format $(SOURCES)

clean:  ## everything that can be made again
	rm -rf .venv build dist .coverage .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find $(SOURCES) -name __pycache__ -type d -exec rm -rf {} +
