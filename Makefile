# Everything this project does by hand has a target here. `make test` and `make demo` need no more than a Rust
# toolchain, gcc and, where no Docker Engine answers, root: integration/with-engine sets up what is missing. The fuzzer of
# `make test` needs a C++ compiler too, which integration/fuzz installs as root.

.DEFAULT_GOAL := help
SHELL := /bin/bash
# Steps of one build; in parallel they would only wait for cargo's lock and mix their output.
.NOTPARALLEL:

CARGO ?= cargo
target_dir = $(or $(CARGO_TARGET_DIR),target)
host = $(shell rustc -vV | sed -n 's/^host: //p')

# Functions of the same machine code are one, where the linker is the one that can do that.
icf = $(shell rustc -vV | awk '/^host: x86_64-unknown-linux-gnu/ { x86 = 1 } /^release:/ { split($$2, v, ".") } \
	END { if (x86 && (v[1] > 1 || v[2] >= 90)) print "-C link-arg=-Wl,--icf=all" }')

# Pinned, so that a new release cannot turn a green check red.
cargo_deny_version := 0.20.2
cargo_deny = $(target_dir)/tools/cargo-deny-$(cargo_deny_version)/bin/cargo-deny

.PHONY: help check test engines fuzz schemathesis man demo bench image image-full image-from-source binary audit clean need-rust test-with-engine engines-with-engine demo-with-engine

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 26

check: need-rust $(cargo_deny) ## formatting, lints, documentation, licences and sources of the dependencies
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items
	$(CARGO) fetch --locked --quiet
	$(cargo_deny) --offline check --hide-inclusion-graph bans licenses sources

test: need-rust ## everything: the live tests against a real Engine, and a minute of fuzzing for each parser
	integration/with-engine --compose --dockerd $(MAKE) --no-print-directory test-with-engine
	integration/fuzz

engines: need-rust ## the live tests on this Engine, on the newest one of Debian and on Podman's API; as root
	integration/with-engine --compose --dockerd $(MAKE) --no-print-directory engines-with-engine

fuzz: need-rust ## feed every parser with whatever a fuzzer thinks of, for FUZZ_SECONDS (60) each
	integration/fuzz

schemathesis: need-rust ## hold a live agent against its OpenAPI document, for SCHEMATHESIS_SECONDS (300); needs PyPI
	integration/schemathesis

man: need-rust ## write the manual pages in docs/man anew
	UPDATE_EXPECT=1 $(CARGO) test --locked --test integration -- cli::man

demo: need-rust ## half a minute of watchbell: the agent's image beside a labelled container
	integration/with-engine $(MAKE) --no-print-directory demo-with-engine

bench: need-rust ## measure against the bare Engine
	integration/with-engine integration/worker-image with $(CARGO) bench --locked

image: binary ## build the static binary and pack it into watchbell:latest
	integration/build-image prebuilt

image-full: binary ## build watchbell:full: Debian (BASE) with a shell, docker and Compose, for local and compose jobs
	integration/build-image full

image-from-source: ## build watchbell:latest as a registry would: multi-stage, in the image BUILDER
	integration/build-image source

binary: need-rust ## build the static release binary into dist/watchbell
	@# Naming the target keeps the flag away from build scripts and procedural macros, which cannot be static.
	RUSTFLAGS='-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs $(icf)' $(CARGO) build --release --locked --bin watchbell --target $(host)
	@mkdir -p dist
	cp $(target_dir)/$(host)/release/watchbell dist/watchbell

audit: $(cargo_deny) ## known vulnerabilities of the dependencies (needs the advisory database's host)
	$(cargo_deny) check advisories

clean: ## remove what was built
	$(CARGO) clean
	rm -f dist/watchbell

need-rust:
	@CARGO='$(CARGO)' integration/need-rust

test-with-engine: image
	integration/worker-image with integration/registry-image with integration/full-image with integration/prometheus with $(CARGO) test --locked

engines-with-engine: image
	integration/worker-image with integration/registry-image with integration/full-image with integration/engines

demo-with-engine: image
	integration/demo

$(cargo_deny): | need-rust
	@echo 'building cargo-deny $(cargo_deny_version), once; it takes a few minutes'
	$(CARGO) install --locked --quiet --version $(cargo_deny_version) --root $(target_dir)/tools/cargo-deny-$(cargo_deny_version) cargo-deny
