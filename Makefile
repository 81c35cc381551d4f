.DEFAULT_GOAL := help
.PHONY: help demo test chaos lint bench fuzz mutations tools licences

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run the whole fleet against a simulated Twilio, then check every byte (ARGS="--calls 50")
	cargo run -- demo $(ARGS)

test: tools ## Run every test
	scripts/with-test-servers cargo test --workspace --all-features --no-fail-fast
	scripts/check-deploy target/debug/callvault

chaos: tools ## Random faults against a whole fleet, then the books (ARGS="--runs 200 --seed 1"; a minute or more a run)
	cargo test --test chaos -- $(or $(ARGS),--runs 20)

lint: tools ## Check formatting, lints, documentation and shell scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace --all-features
	git grep -lE '^#!.*[/ ](ba)?sh$$' | xargs shellcheck

bench: tools ## Measure it beside a Node baseline, and by itself (about half an hour, 15 GB of free disk; ARGS="--only ingest --pairs 1")
	cargo bench --bench fleet -- $(ARGS)
	cargo bench --bench embedded

FUZZ_TARGETS := callback_form signature_header media_head settings_file queue_message
FUZZ_SECS := 600

fuzz: ## Fuzz what strangers may send, ten minutes each (needs a nightly compiler and cargo-fuzz; FUZZ_SECS=60)
	@for target in $(FUZZ_TARGETS); do \
	  mkdir -p fuzz/target/corpus/$$target; \
	  cargo +nightly fuzz run $$target fuzz/target/corpus/$$target fuzz/corpus/$$target -- \
	    -max_total_time=$(FUZZ_SECS) -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
	done

mutations: tools ## Break the code on purpose, one promise after the other, and see its test fail (about 15 minutes)
	scripts/check-mutations

licences: ## Check the dependencies' licences and sources (needs cargo-deny)
	cargo deny check bans licenses sources

tools: ## Install what the tests run besides Rust (done by test and lint)
	scripts/install-test-tools
