# Each target is one line; what it does is in `cargo xtask` (see CONTRIBUTING.md).
export FASTX_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fastx-cluster
export CARGO_TARGET_DIR ?= $(FASTX_CACHE)/target
export CARGO_TERM_COLOR ?= auto

.PHONY: demo demo-check demo-down test test-all lint generate images tools

demo: tools ; @cargo xtask demo up
demo-check: tools ; @cargo xtask demo check
demo-down: ; @cargo xtask demo down
test: tools ; @cargo xtask test
test-all: tools ; @cargo xtask test --all
lint: tools ; @cargo xtask lint
generate: tools ; @cargo xtask generate
images: tools ; @cargo xtask images
tools: ; @tests/tools.sh
