# Two commands on a fresh Debian 12, as root:
#   make demo   three nodes and a client in network namespaces, a Service with three addresses per family
#   make test   every check and test; both install what is missing first
# make setup only installs: .venv/bin/mlbd and .venv/bin/mlbctl.

BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet --no-input

# systemd-python is built from source against libsystemd.
PACKAGES := ca-certificates gcc iproute2 libsystemd-dev nftables pkg-config python3-dev python3-venv
DEMO_PACKAGES := frr
TEST_PACKAGES := arping bird2 curl debootstrap exabgp gobgpd iputils-ping keepalived libfaketime mandoc ndisc6 netbase \
    procps systemd-container tcpdump

POLICY := /usr/sbin/policy-rc.d

.PHONY: setup demo-setup test-setup demo test lint bench fuzz lock fresh-root

setup: .venv/.installed
demo-setup: .venv/.installed-for-demo
test-setup: .venv/.installed-for-tests

demo: demo-setup
	@$(BIN)/python -m tests.demo

test: lint
	$(BIN)/pytest

lint: test-setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	mandoc -T lint -W warning $(wildcard man/*.[1-8])

bench: test-setup
	$(BIN)/python -m tests.bench $(ROWS)

# SECONDS of a coverage-guided fuzzer for what the wire brings.
fuzz: test-setup
	@$(PIP) install --require-hashes -r requirements-fuzz.lock
	$(BIN)/python -m tests.proto.bgp.fuzz $(or $(SECONDS),600)

# apt-get is asked only for what dpkg does not have, so that a machine without a package mirror can still be used. The
# tests want the programs of routing daemons, not the daemons running: policy-rc.d keeps them from being started.
define install_debian
	@missing=$$(for package in $(1); do \
	    dpkg-query --show --showformat '$${db:Status-Status}\n' $$package 2>/dev/null | grep -qx installed || echo $$package; \
	done); \
	if [ -n "$$missing" ]; then \
	    echo "installing Debian packages:" $$missing && \
	    if [ ! -e $(POLICY) ]; then \
	        trap 'rm -f $(POLICY)' EXIT && printf '#!/bin/sh\nexit 101\n' >$(POLICY) && chmod +x $(POLICY); \
	    fi && \
	    apt-get -qq update && \
	    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $$missing >/dev/null; \
	fi
endef

# The build tools come from a lock too, and nothing is built in isolation: isolation would fetch them unlocked.
.venv/.installed: Makefile pyproject.toml requirements-build.lock requirements.lock
	$(call install_debian,$(PACKAGES))
	@echo "installing Python packages into .venv"
	@/usr/bin/python3 -m venv .venv
	@$(PIP) install --require-hashes -r requirements-build.lock
	@$(PIP) install --require-hashes --no-build-isolation --use-pep517 -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-for-demo: .venv/.installed
	$(call install_debian,$(DEMO_PACKAGES))
	@touch $@

.venv/.installed-for-tests: .venv/.installed-for-demo requirements-dev.lock
	$(call install_debian,$(TEST_PACKAGES))
	@echo "installing Python packages for the tests into .venv"
	@$(PIP) install --require-hashes --no-build-isolation --use-pep517 -r requirements-dev.lock
	@touch $@

# Renew the locks from pyproject.toml. They hold hashes and no index host.
LOCK = pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-options --no-header
lock:
	python3 -m venv build/lock && build/lock/bin/pip install --quiet pip-tools
	build/lock/bin/$(LOCK) --all-build-deps --only-build-deps --output-file requirements-build.lock pyproject.toml
	build/lock/bin/$(LOCK) --output-file requirements.lock pyproject.toml
	build/lock/bin/$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	build/lock/bin/$(LOCK) --extra fuzz --constraint requirements-dev.lock --output-file requirements-fuzz.lock pyproject.toml

# Prove both commands on a Debian root with nothing else in it (not part of CI: it needs some minutes and a mirror).
fresh-root:
	tests/fresh_root.sh
