# Two commands do everything on a fresh Debian 12: `make demo` and `make test`.
.PHONY: help setup demo test lint format docs bench fuzz faults proof kiosk fleet pictures proven clean

PY = .venv/bin/python
SETUP = provisioning/developer.sh

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: ## what is missing: packages, environment, model files
	@$(SETUP) system environment models

demo: setup ## the main job from end to end, nine cases, headless; exit 0 only if all came out as expected
	@.venv/bin/tram demo

test: setup ## everything CI runs: lint, types, import rules, tests
	@$(SETUP) emrtd-alone
	@$(MAKE) --no-print-directory lint
	@$(PY) -m pytest --durations=8 -n auto --maxprocesses 4 --dist loadfile
	@$(MAKE) --no-print-directory proven

lint: setup ## fast checks
	@.venv/bin/ruff format --check . && .venv/bin/ruff check .
	@.venv/bin/codespell
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(PY) -m tests.taste.systemd_exposure

format: ## rewrite the sources in the house's format
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

docs: setup ## generated pages, and every example in the docs run
	@$(PY) docs/generate.py && $(PY) -m pytest -q tests/taste/test_docs.py

bench: setup ## every benchmark, to build/bench.json
	@$(PY) -m tests.bench --out build/bench.json

fuzz: setup ## SECONDS=n over every parser, shared; exit 1 for any finding
	@$(PY) -m tests.fuzz --seconds $(or $(SECONDS),60)

faults: setup ## SECONDS=n of kills, partitions, backups and power cuts; exit 1 if a record is lost
	@$(PY) -m tests.faults --seconds $(or $(SECONDS),60)

proof: setup ## SUITE=fuzz: a long suite; its dated result goes to docs/proof
	@$(PY) -m tests.proof $(or $(SUITE),fuzz) --seconds $(or $(SECONDS),600)

kiosk: setup ## the citizen's kiosk on this machine, with simulated devices; Ctrl-Q or Ctrl-C leaves
	@.venv/bin/tram demo --kiosk

fleet: setup ## the demo's fleet, link and kiosk go on; what waits is delivered
	@.venv/bin/tram demo --fleet

pictures: setup ## the README's pictures, from the running program
	@$(PY) docs/pictures.py

proven: ## what the long suites last proved
	@$(PY) -m tests.proven

clean: ## remove what was built, keep the environment
	rm -rf build
