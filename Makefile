# Every job of the project, here and in the pipeline. See CONTRIBUTING.md for what to install.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# One linker for all targets: with another one, cargo would build everything again.
LINKER := $(if $(shell command -v mold),-C link-arg=-fuse-ld=mold,$(if $(shell command -v ld.lld),-C link-arg=-fuse-ld=lld))
export RUSTFLAGS ?= $(LINKER)
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
VENV := $(TARGET)/venv
# The MCP Inspector and the TypeScript SDKs, with a Node of their own, for the tests with clients of others.
export QUARTERDECK_INSPECTOR := $(abspath $(TARGET)/inspector)
# ministack for the tests that need an emulator, from the same list as `quarterdeck local up` uses.
export QUARTERDECK_MINISTACK = $(abspath $(VENV)/bin/ministack)
# Apart, because checkov pins other versions of packages that ministack and cfn-lint need.
VENV_CHECKOV := $(TARGET)/venv-checkov
# A binary of its own: as a library it would bring a YAML parser that deny.toml bans.
GUARD_VERSION := 3.2.1
GUARD := $(TARGET)/guard-$(GUARD_VERSION)/bin/cfn-guard
# Public MCP servers as they are published, each with an interpreter or packages of its own.
PUBLIC := $(abspath $(TARGET)/public)
PUBLIC_LISTS := servers/gangway/tests/front/public
# The official conformance suite, with a Node of its own.
SUITE := $(abspath $(TARGET)/conformance)
NEXTEST := $(shell command -v cargo-nextest)
# From its source: what judges the dependencies must not come from an unknown hand. A minute, once.
DENY_VERSION := 0.20.2
DENY := $(TARGET)/deny-$(DENY_VERSION)/bin/cargo-deny
# Where a workspace outside of this one is built, so that neither makes the other build anew.
FUZZ_TARGET := $(TARGET)/fuzz

# What the prerequisites list, installed in the folder of the target.
define NPM_INSTALL
scripts/tools npm
mkdir -p $(@D)
cp $^ $(@D)
cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
touch $@
endef
define PIP_INSTALL
python3 -m venv --clear $(@D)
$(@D)/bin/python3 -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$^)
touch $@
endef

.NOTPARALLEL:
.PHONY: help local test lint deny doc msrv fuzz-build templates unit core book conformance public e2e bench bench-servers bench-front bench-flood bench-fleet bench-logs screenshots tools

help: ## Print the targets.
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 14

tools: ## Check that the tools are there; install those that may be installed.
	@scripts/tools

local: ## Build and open the console on a local cloud.
	@scripts/local

$(VENV)/installed: src/local/requirements.txt scripts/requirements-test.txt tests/oauth/requirements.txt
	$(PIP_INSTALL)

$(QUARTERDECK_INSPECTOR)/installed: tests/oauth/package.json tests/oauth/package-lock.json
	$(NPM_INSTALL)

lint: ## Formatting and clippy, with every warning an error.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

$(DENY):
	cargo install cargo-deny --version $(DENY_VERSION) --locked --debug --quiet --root $(TARGET)/deny-$(DENY_VERSION)

# 2 s. Without advisories: those need a database from the network, and would fail a build that was good yesterday.
deny: $(DENY) ## Licences, banned crates and sources of everything in Cargo.lock.
	$(DENY) --locked check licenses bans sources

# Two minutes of processor time the first time, 15 s after a change, 1 s without. Private items, too: nobody reads the documentation of quarterdeck but its developers.
doc: ## Documentation, with every broken link an error.
	RUSTDOCFLAGS="-Dwarnings -Arustdoc::private_intra_doc_links" \
		cargo doc --no-deps --workspace --document-private-items --locked

# 1 s after `lint`, whose results it uses.
msrv: ## Whether the code builds with the oldest Rust that it promises.
	scripts/msrv

# Two minutes of processor time the first time, 1 s when nothing has changed. Checked, not linked: libFuzzer
# would need a C++ compiler, which the variable avoids, and a nightly Rust.
fuzz-build: ## Compile the fuzz targets on stable Rust.
	CUSTOM_LIBFUZZER_PATH=/dev/null cargo check --manifest-path fuzz/Cargo.toml --target-dir $(FUZZ_TARGET) --locked

$(VENV_CHECKOV)/installed: scripts/requirements-checkov.txt
	$(PIP_INSTALL)

$(GUARD):
	cargo install cfn-guard --version $(GUARD_VERSION) --locked --debug --quiet --root $(TARGET)/guard-$(GUARD_VERSION)

templates: $(VENV)/installed $(VENV_CHECKOV)/installed $(GUARD) ## Check the CloudFormation templates against their rules.
	$(VENV)/bin/cfn-lint stack/*.yaml
	QUARTERDECK_CFN_GUARD=$(abspath $(GUARD)) QUARTERDECK_CHECKOV=$(abspath $(VENV_CHECKOV)/bin/checkov) \
		$(VENV)/bin/python3 -B -m unittest discover --start-directory tests/templates

core: ## The pure core alone: no terminal, no runtime, no AWS in the graph.
	cargo test --package quarterdeck --lib --no-default-features --locked

$(SUITE)/installed: servers/conformance/package.json servers/conformance/package-lock.json
	$(NPM_INSTALL)

# The suite brings its own Node: the machine's may be too old for it.
conformance: $(SUITE)/installed ## The official MCP conformance suite against a server of ours.
	GANGWAY_CONFORMANCE=$(SUITE) cargo test --package gangway-conformance --locked --test suite -- --ignored --nocapture --test-threads=1

$(PUBLIC)/node/installed: $(PUBLIC_LISTS)/package.json $(PUBLIC_LISTS)/package-lock.json
	$(NPM_INSTALL)

$(PUBLIC)/official/installed: $(PUBLIC_LISTS)/official.txt
	$(PIP_INSTALL)

$(PUBLIC)/fast/installed: $(PUBLIC_LISTS)/fast.txt
	$(PIP_INSTALL)

public: $(PUBLIC)/node/installed $(PUBLIC)/official/installed $(PUBLIC)/fast/installed ## Public MCP servers, unchanged, behind gangway.
	GANGWAY_PUBLIC_SERVERS=$(PUBLIC) cargo test --workspace --locked --test front -- --ignored --nocapture

book: ## Write the pages of docs/ that are made from the code.
	QUARTERDECK_BOOK=write cargo test --package quarterdeck --locked --bin quarterdeck book
	QUARTERDECK_BOOK=write cargo test --package quarterdeck --locked --test it gameday::the_page

unit: $(VENV)/installed ## All tests of the workspace.
ifneq ($(NEXTEST),)
	cargo nextest run --workspace --locked
	cargo test --workspace --doc --locked
else
	cargo test --workspace --locked
endif

# Tests marked `ignored` start the local cloud with containers and deploy on it.
e2e: $(VENV)/installed $(QUARTERDECK_INSPECTOR)/installed $(PUBLIC)/node/installed $(PUBLIC)/official/installed $(PUBLIC)/fast/installed ## End to end: console, templates and servers on the local cloud.
	scripts/tools podman registry
	GANGWAY_PUBLIC_SERVERS=$(PUBLIC) cargo test --workspace --locked --test it -- --ignored --test-threads=1 e2e_

test: ## Everything the pipeline runs.
	@began=$$SECONDS; \
	$(MAKE) --no-print-directory tools lint deny doc msrv fuzz-build core templates unit conformance public e2e; \
	echo "All tests passed in $$((SECONDS - began)) s."; \
	scripts/msrv toolchain >/dev/null || echo "Not tried: the oldest Rust that is promised. It is not installed; see 'make msrv'."

bench: ## What reading logs costs, against the budgets; ARGS as criterion's, `--save-baseline NAME` say.
	cargo bench --package quarterdeck --locked --no-default-features --features tui --bench reading -- $(ARGS)

bench-servers: ## How much load a server can take; ARGS as in servers/gangway/benches/load/main.rs.
	cargo build --profile image --locked --package mcp-time
	cargo bench --profile image --locked --package gangway --bench load -- $(ARGS)

bench-front: $(PUBLIC)/node/installed $(PUBLIC)/official/installed $(PUBLIC)/fast/installed ## What `gangway run` costs in front of a server; ARGS as in servers/gangway/benches/front/main.rs.
	cargo build --profile image --locked --package gangway --bin gangway
	GANGWAY_PUBLIC_SERVERS=$(PUBLIC) cargo bench --profile image --locked --package gangway --bench front -- $(ARGS)

bench-flood: ## The console in a pseudo-terminal under 50,000 lines/s for a minute.
	cargo bench --package quarterdeck --locked --bench flood

bench-fleet: ## What it takes to look at 10, 100 and 500 services on an account that throttles as AWS does.
	cargo bench --profile image --package quarterdeck --locked --bench fleet -- $(ARGS)

$(TARGET)/venv-bench/installed: scripts/requirements-bench.txt
	$(PIP_INSTALL)

# The same binary as bench-flood: other features would compile the AWS SDK again.
bench-logs: $(TARGET)/venv-bench/installed ## The same log events read with quarterdeck, awslogs and boto3.
	cargo bench --package quarterdeck --locked --bench flood --no-run
	$(TARGET)/venv-bench/bin/python3 scripts/compare_logs.py $(TARGET)/release/quarterdeck

screenshots: ## Take new screenshots from a real run.
	cargo build --package quarterdeck --package mcp-time --package mcp-weather --package gangway
	@env -u QUARTERDECK_MINISTACK scripts/screenshots $(ARGS)
