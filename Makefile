# What a person types:  make run   (everything set up, this host's container starts on the screen)
#                       make test  (everything set up, everything tested)
# Every target may be run again at any time: what is there already is left alone.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# bcc and auparse exist for the distribution's Python only.
PYTHON := /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
NPM := tests/npm/node_modules
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore

RUN_PACKAGES := python3 python3-audit python3-bpfcc libbpf1 python3-psutil python3-msgpack python3-click \
    python3-h11 python3-h2 python3-venv runc
TEST_PACKAGES := ansible-core auditd bpftool busybox-static chromium clang-format conmon containerd crun curl docker.io gcc iptables \
    libc6-dev lxc openssl nats-server podman procps rsyslog rsyslog-gnutls \
    rsyslog-openssl socat tini uidmap zsh
# The libraries of syslog-ng, which itself cannot be installed beside rsyslog.
TEST_PACKAGES += libivykis0 libnet1 libpcre3 libwrap0
# What reports and packed exports need; the page is looked at in Chromium.
TEST_PACKAGES += python3-jinja2 python3-pygal python3-zstandard sudo zstd
# What builds and checks packages. groff-base, systemd and fish check what is installed, in `make test` too.
PACKAGING_PACKAGES := build-essential debhelper dh-python lintian rpm rpmlint
TEST_PACKAGES += fish groff-base systemd
VM_PACKAGES := qemu-system-arm qemu-system-x86 qemu-user-static arch-test mmdebstrap e2fsprogs kmod xz-utils
PROBE_SOURCES := $(wildcard probes/*.c probes/*.h)

.PHONY: attack coverage bench-attack deb rpm image lifecycle packages packages-test release setup-packaging help setup run setup-test check format fields test bench bench-attribution bench-delivery bench-node bench-packages vm clean

help:
	@sed -n 's/^# What a person types: *//p; s/^#  *\(make .*\)/\1/p' Makefile
	@echo 'also: deb rpm image lifecycle release packages packages-test setup setup-test check coverage format fields attack bench bench-attack bench-attribution bench-delivery bench-node bench-packages vm clean'

setup:
	@packaging/apt-install.sh $(RUN_PACKAGES)
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv --system-site-packages $(VENV)

run: setup
	@bin/castoff selftest --wait 60 > >(sed -n '/^FAIL/p' >&2) & trap 'kill $$! 2>/dev/null || true' EXIT; \
	    bin/castoff run --output table

setup-test: setup
	@packaging/apt-install.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory $(VENV)/test-tools $(VENV)/kubernetes/helm $(NPM)/.package-lock.json $(VENV)/syslog-ng/unpacked

# What others wrote in JavaScript and the tests of the outputs talk to.
$(NPM)/.package-lock.json: tests/npm/package.json tests/npm/package-lock.json
	@command -v npm >/dev/null || packaging/apt-install.sh nodejs npm
	@cd tests/npm && npm ci --silent --no-audit --no-fund
	@touch $@

# Debian's syslog-ng, for the tests of the outputs: not installed, as rsyslog would have to go.
$(VENV)/syslog-ng/unpacked: | $(VENV)/test-tools
	@mkdir -p $(@D) && cd $(@D) && apt-get download -q=2 syslog-ng-core && dpkg-deb --extract syslog-ng-core_*.deb . && touch $(@F)

# helm and kubectl, by which the tests render the manifests.
$(VENV)/kubernetes/helm: tests/packaging/kubernetes_tools.py | $(VENV)/test-tools
	@$(BIN)/python -m tests.packaging.kubernetes_tools $(@D)
	@touch $@

# Anew whenever the pins change.
$(VENV)/test-tools: pyproject.toml
	@$(BIN)/python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	    print(*project["optional-dependencies"]["test"], sep="\n")' >$(VENV)/test-pins.txt
	@$(BIN)/python -m pip install --quiet --requirement $(VENV)/test-pins.txt
	@touch $@

check: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy packaging/man/manpages.py
	$(BIN)/lint-imports
	$(BIN)/python -m lab.mirror
	$(BIN)/python -m lab.words
	$(BIN)/python -m lab.drawings
	@$(if $(PROBE_SOURCES),clang-format --dry-run --Werror $(PROBE_SOURCES))

format: setup-test
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	@$(if $(PROBE_SOURCES),clang-format -i $(PROBE_SOURCES))

# docs/fields.md, from what the encoders do.
fields: setup-test
	$(BIN)/python -m tests.outputs.formats.field_table

# Files with a test that runs alone, but for those with engines: to collect all others takes most of a minute.
ALONE = $(shell grep -rlE 'mark\.(e2e|kernel|timed)\b' tests --include='test_*.py' | grep -vE '^tests/(attack|e2e|vm)/')

# Attacks have an agent of their own, and so have the other tests with engines.
# Engines run below a process of their own: what other tests leave open in theirs would be a relay for them.
# Tests with engines mostly wait. So the checks, and what needs neither engines nor probes, run beside them and take what they leave.
# With one seed both of its processes collect the same tests. What counts records or measures time runs alone, at the end.
# All parts run, whatever the first one says: one run names all that fails.
test: setup setup-test
	@mkdir -p build; failed=0; export CASTOFF_E2E=required; set -x; \
	{ beside=0; nice -n 5 $(MAKE) --no-print-directory check || beside=1; \
	    PYTHONHASHSEED=$$$$ nice -n 5 $(BIN)/python -m pytest -m 'not (e2e or kernel or timed or bench or packages)' --ignore=tests/attack --ignore=tests/e2e --numprocesses=2 --dist=loadfile || beside=1; \
	    exit $$beside; } >build/beside.log 2>&1 & pid=$$!; \
	$(BIN)/python -m pytest tests/attack || failed=1; \
	$(BIN)/python -m pytest tests/e2e || failed=1; \
	wait $$pid || failed=1; cat build/beside.log; \
	$(BIN)/python -m pytest -m '(e2e or kernel or timed) and not (bench or packages)' $(ALONE) || failed=1; \
	exit $$failed

# Which branches the tests take, with the floor of pyproject.toml. Apart from `make test`, since measuring takes 1.7 times as
# long, and without the tests that need engines or the kernel, or that measure time.
coverage: setup setup-test
	@mkdir -p build/coverage
	PYTHONHASHSEED=$$$$ $(BIN)/python -m pytest -m 'not (bench or packages or e2e or kernel or timed)' --ignore=tests/e2e \
	    --cov --cov-report=term --numprocesses=2 --dist=loadfile

# The attacks of docs/threat-model.md, as the users that they speak of. Part of `make test`, too.
attack: setup setup-test
	CASTOFF_E2E=required $(BIN)/python -m pytest tests/attack

bench: setup-test
	$(BIN)/python -m bench

bench-packages: setup-test setup-packaging
	$(BIN)/python -m bench.packages

bench-delivery: setup-test
	$(BIN)/python -m bench.delivery

bench-attribution: setup-test
	$(BIN)/python -m bench.attribution

bench-attack: setup-test
	$(BIN)/python -m bench.attack

bench-node: setup-test
	$(BIN)/python -m bench.kills
	$(BIN)/python -m bench.asking

# Boots the product under QEMU: half an hour a kernel. CELL=kernels or CELL=lifecycle takes a part, KERNEL="bookworm sid"
# some kernels (bookworm@v1 has cgroup v1, arm64 and arm64@engines another processor); docs/support.md gets what was run.
CELL := *
KERNEL := bullseye bookworm trixie sid
vm: setup-test setup-packaging
	@packaging/apt-install.sh $(VM_PACKAGES)
	CASTOFF_VM=1 CASTOFF_VM_KERNELS="$(KERNEL)" $(BIN)/python -m pytest -s tests/vm/test_$(CELL).py
	$(BIN)/python -m tests.vm.support

# The packages' life under systemd, in namespaces of this kernel: five minutes. `make vm CELL=lifecycle` takes a guest.
lifecycle: setup-test setup-packaging
	@packaging/apt-install.sh $(VM_PACKAGES)
	CASTOFF_VM_NESTED=1 $(BIN)/python -m pytest -s tests/vm/test_lifecycle.py

# Signing is left to who releases: packaging/release.sh has the commands.
release: setup-test setup-packaging
	packaging/release.sh build/release

PACKAGES := build/packages

setup-packaging: setup
	@packaging/apt-install.sh $(PACKAGING_PACKAGES)

deb: setup-packaging
	packaging/build-deb.sh $(PACKAGES)

rpm: setup-packaging
	packaging/build-rpm.sh $(PACKAGES)

# With a running Docker; BASE names an image of Debian 12 that it has.
image: deb
	packaging/build-image.sh $(PACKAGES)

packages: deb rpm

# lintian, rpmlint, two builds compared.
packages-test: setup-test setup-packaging
	CASTOFF_PACKAGES=required $(BIN)/python -m pytest -m packages

clean:
	rm -rf $(VENV) $(NPM) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
