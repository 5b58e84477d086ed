# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INVENTORY ?= inventory.py
LAB := $(or $(ELFORGE_LAB_DIR),/var/lib/elforge-lab)
export PYINFRA_PROGRESS := off
# Modules that are compiled anew by each of a thousand runs cost minutes.
unexport PYTHONDONTWRITEBYTECODE
# Each has lab hosts of its own; the longest come first. More beside each other take as long, and time out.
SUITES := test-service test-engine test-sweep accept test-golang test-firewall test-lab test-faults
# By itself: a build of Go takes all cores for minutes, and half an hour of what is beside it.
ALONE := test-toolchain
BESIDE ?= 4

.PHONY: help demo test check lab sweep test-vm test-real bench lock golock docs clean system system-vm $(SUITES) $(ALONE)

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/done system ## Turn three bare lab hosts into Docker and Go build hosts, and run what they build
	$(BIN)/python -m lab up
	$(BIN)/python -m tools.demo

test: $(VENV)/done system ## Checks, lab hosts, faults, crash sweep, acceptance; logs in *.log
	$(MAKE) --no-print-directory --keep-going --jobs=$(BESIDE) check $(SUITES)

$(SUITES) $(ALONE): lab

accept: $(VENV)/done system
	@set -o pipefail; { $(BIN)/python -m lab reset el7 el8 el9 && $(BIN)/python -m tools.real inventory.py; } 2>&1 \
		| tee $@.log | sed -u 's/^/$@: /'

$(filter test-%,$(SUITES)) $(ALONE) test-vm: test-%: $(VENV)/done system
	@set -o pipefail; PYTHONUNBUFFERED=1 $(BIN)/pytest -v -p no:cacheprovider $(CAPTURE) $(SELECT) tests/$* 2>&1 \
		| tee $@.log | sed -u 's/^/$*: /'
# Their progress is what they print.
test-sweep test-vm: CAPTURE := --capture=no
test-toolchain: ## Go built from source: killed on the way, handed on to other releases
test-vm: system-vm ## SELinux enforcing, lock-outs, power cuts and a reboot in VMs without KVM; hours, SELECT='-m sample' minutes

check: $(VENV)/done ## Lint, types, unit tests and golden plans; no root
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests

lab: $(VENV)/done system ## Boot the lab hosts el7, el8 and el9
	$(BIN)/python -m lab up

sweep: $(VENV)/done system ## Every crash point of what the sweep puts hosts through, not a sample; hours
	$(BIN)/pytest --capture=no tests/sweep --whole-sweep

test-real: $(VENV)/done ## Apply INVENTORY=... and check it: your own hosts
	$(BIN)/python -m tools.real $(INVENTORY)

bench: $(VENV)/done system ## elforge beside Ansible, Mitogen and stock pyinfra, an hour; writes bench/results.md
	$(BIN)/python -m bench

lock: $(VENV)/done ## Pin the newest versions of what pyproject.toml asks for
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --python-version 3.11 --upgrade --extra dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --python-version 3.11 --upgrade bench/requirements.in -o bench/requirements.lock

golock: $(VENV)/done ## Add Go's new releases to deploys/go.lock
	$(BIN)/python -m tools.golock

docs: $(VENV)/done ## Write docs/options.md from the models
	$(BIN)/python -m tools.options > docs/options.md

clean: ## Stop the lab and remove what make has made here; images and mirror stay
	@if [ -x $(BIN)/python ] && [ "$$(id -u)" = 0 ]; then $(BIN)/python -m lab down; fi
	@if [ -d $(LAB) ]; then echo "$(LAB) still holds $$(du -sh $(LAB) 2>/dev/null | cut -f 1)" \
		"(disks, images, mirror); as root, with the lab down: rm -r --one-file-system $(LAB)"; fi
	rm -rf $(VENV) $(SUITES:=.log) $(ALONE:=.log) test-vm.log elforge.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

system:
	@tools/system.sh

system-vm:
	@tools/system.sh vm

$(VENV)/done: requirements.lock pyproject.toml tools/venv.sh
	@tools/venv.sh $(PYTHON) $(VENV) requirements.lock
	@# For pyinfra to find the connectors of this folder.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@touch $@
