# Two commands: `make demo` runs the main job on the embedded default, `make test` runs every test.
# Both bring what they need; on another system than Debian they name the command and stop.

# The build cache lies outside the checkout, so that a second clone is quick (docs/adr/0006).
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/yihe/target
DATA ?= yihe-data
SCALE ?=

# One package selection and one profile everywhere: another would compile the engine again.
BUILD := cargo build --release --workspace --locked
TEST := cargo test --release --workspace --locked

.PHONY: help demo build test fmt lint unit node audit bench clean-demo

help:
	@echo "make demo    造一座示范市并走完全程，留下运行中的服务 · a demonstration city through the main line, then serve"
	@echo "make test    格式、检查、全部测试 · formatting, lints, every test"
	@echo "make audit   许可证、公告、未用依赖 · licences, advisories, unused dependencies"
	@echo "make bench   性能（空闲机器上手动运行）· benchmarks, by hand on an idle machine"

build:
	@tools/need demo
	@tools/checkout
	$(BUILD)

demo: build
	$(CARGO_TARGET_DIR)/release/yihe demo --data $(DATA) $(if $(SCALE),--scale $(SCALE))

test: fmt lint unit
	@echo "every test passed"

fmt:
	cargo fmt --all --check

lint:
	@tools/need test
	@tools/checkout
	cargo clippy --release --workspace --all-targets --locked -- -D warnings

unit: build
	@tools/need test
	YIHE_BIN=$(CARGO_TARGET_DIR)/release/yihe YIHE_AXE_JS=$$(tools/axe) INSTA_WORKSPACE_ROOT=$(CURDIR) $(TEST)

audit:
	tools/audit

bench: build
	bench/run

clean-demo:
	rm -rf $(DATA)
