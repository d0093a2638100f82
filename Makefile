# `make help` lists the targets. Everything is done by SwiftPM and the scripts; this is the index.

SHELL := /bin/bash
.DEFAULT_GOAL := build

SWIFT ?= swift
PYTHON ?= python3
VENV := .venv
REQUIREMENTS := Tests/integration/requirements.txt
BINARY := .build/release/sluice

# The layers of Package.swift are enforced: a target may import only what it names.
LAYERS := --explicit-target-dependency-import-check error
RELEASE := -c release --static-swift-stdlib $(LAYERS)

# What is formatted and checked for style.
SWIFT_CODE := Package.swift Sources Tests Fuzz Benchmarks
# What `make test` does, in order.
STEPS ?= lint unit release integration crash fuzz-corpora
# For `make run`: the arguments of `sluice run`.
ARGS ?=
# For `make fuzz`: the fuzzer; for it and for `make hostile`: how long it searches.
TARGET ?= HTTP
SECONDS ?= 60
# For `make bench-backlog`: how much the log holds; the disk needs a fifth more.
GIGABYTES ?= 20
# For `make crash-test`: how often, and which random choices; more options: CRASH_ARGS=--help.
KILLS ?= 1000
SEED ?=
CRASH_ARGS ?=
# For `make interleavings`: how many orders of threads.
INTERLEAVINGS ?= 100000
# For `make reload-storm`: how many reloads.
RELOADS ?= 10000

.PHONY: build run test test-debug test-asan test-tsan test-integration crash-test hostile test-all \
	interleavings reload-storm \
	bench bench-backlog bench-postgres postgres-versions differential fuzz fuzz-replay lint \
	format clean help \
	dependencies build-dependencies bench-dependencies test-dependencies swift

build: swift build-dependencies ## the release binary, .build/release/sluice
	$(SWIFT) build $(RELEASE) --product sluice

run: build ## build and run; ARGS='--config FILE' goes to `sluice run`
	@exec $(BINARY) run $(ARGS)

test: swift test-dependencies $(VENV)/.installed ## lint, unit, integration, fuzz corpora
	@$(PYTHON) scripts/run_tests.py $(STEPS)

test-all: ## test, and the unit tests under both sanitizers: what CI runs
	@$(MAKE) --no-print-directory test STEPS='$(STEPS) asan tsan'

test-debug: swift build-dependencies ## Swift Testing alone; FILTER=HTTPTests narrows it
	$(SWIFT) test $(LAYERS) $(if $(FILTER),--filter '$(FILTER)')

# Builds of their own: a sanitizer's objects must not be linked into another build.
# LeakSanitizer would report what XCTest itself allocates once and keeps.
test-asan: swift build-dependencies ## Swift Testing under AddressSanitizer
	ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test $(LAYERS) --sanitize=address --scratch-path .build/asan

test-tsan: swift build-dependencies .build/tsan/contended_mutex.so ## Swift Testing under ThreadSanitizer
	TSAN_OPTIONS=history_size=7 LD_PRELOAD=$(abspath .build/tsan/contended_mutex.so) \
		$(SWIFT) test $(LAYERS) --sanitize=thread --scratch-path .build/tsan

# Its header says what for. GCC doesn't know Swift's calling convention; the toolchain has a clang.
.build/tsan/contended_mutex.so: Tests/tsan/contended_mutex.c
	@mkdir -p $(@D)
	clang -O1 -g -Wall -Wextra -Werror -shared -fPIC -o $@ $<

test-integration: build test-dependencies $(VENV)/.installed ## pytest against the release binary
	SLUICE=$(abspath $(BINARY)) $(VENV)/bin/python -m pytest Tests/integration $(PYTEST_ARGS)

crash-test: build test-dependencies $(VENV)/.installed ## KILLS=1000 SEED=: nothing acknowledged is lost by kill -9
	SLUICE=$(abspath $(BINARY)) $(VENV)/bin/python Tests/crash/crash_test.py --kills $(KILLS) \
		$(if $(SEED),--seed $(SEED)) $(CRASH_ARGS)

hostile: build test-dependencies $(VENV)/.installed ## SECONDS=60 SEED=: attacks, and a search for worse
	SLUICE=$(abspath $(BINARY)) $(VENV)/bin/python Tests/hostile/hostile.py --seconds $(SECONDS) \
		$(if $(SEED),--seed $(SEED))

interleavings: swift build-dependencies ## INTERLEAVINGS=100000 orders of threads around reloads
	SLUICE_INTERLEAVINGS=$(INTERLEAVINGS) $(SWIFT) test $(LAYERS) --filter ReloadInterleavingTests

reload-storm: build test-dependencies $(VENV)/.installed ## RELOADS=10000: real reloads under load
	SLUICE=$(abspath $(BINARY)) $(VENV)/bin/python Tests/crash/reload_storm.py --reloads $(RELOADS)

bench: build bench-dependencies ## the benchmarks' table
	Benchmarks/run

bench-backlog: build ## GIGABYTES=20: a log that filled while its destination was down
	Benchmarks/backlog --gigabytes $(GIGABYTES)

bench-postgres: build test-dependencies $(VENV)/.installed ## a log that drains into PostgreSQL
	$(VENV)/bin/python Benchmarks/postgres

postgres-versions: build test-dependencies $(VENV)/.installed ## the schema and its tests on PostgreSQL 16, 17 and 18
	SLUICE=$(abspath $(BINARY)) $(VENV)/bin/python scripts/postgres-versions

differential: swift test-dependencies $(VENV)/.installed ## the JSON codec against Python's protobuf
	cd Benchmarks && $(SWIFT) build -c release --product CodecTool
	$(VENV)/bin/python Tests/differential/otlp_json.py Benchmarks/.build/release/CodecTool 1000

fuzz: swift build-dependencies ## TARGET=HTTP SECONDS=60: one libFuzzer target
	scripts/fuzz run $(TARGET) $(SECONDS)

fuzz-replay: swift build-dependencies ## every fuzzer over its kept corpus
	scripts/fuzz replay

lint: swift ## formatting and style; changes nothing
	@code=0; \
	$(PYTHON) scripts/check_style.py || code=1; \
	$(SWIFT) format lint --strict --parallel --recursive $(wildcard $(SWIFT_CODE)) || code=1; \
	exit $$code

format: swift ## formats the Swift code in place
	$(SWIFT) format --in-place --parallel --recursive $(wildcard $(SWIFT_CODE))

clean: ## what was built; never data
	rm -rf .build Fuzz/.build Benchmarks/.build $(VENV)

dependencies: ## installs all Debian packages that are missing (as root)
	@scripts/install-dependencies build test bench

build-dependencies:
	@scripts/install-dependencies build

bench-dependencies:
	@scripts/install-dependencies build bench

test-dependencies:
	@scripts/install-dependencies build test

swift:
	@command -v $(SWIFT) >/dev/null || { \
		echo "Swift 6.3 is needed: https://www.swift.org/install/linux/ (its usr/bin in PATH)" >&2; \
		exit 1; }

$(VENV)/.installed: $(REQUIREMENTS) | test-dependencies
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $(REQUIREMENTS)
	@touch $@

help:
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'
