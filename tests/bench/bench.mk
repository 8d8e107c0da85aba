# SPDX-License-Identifier: GPL-2.0-only
# `make bench`: what spamtrace costs, beside what is used instead. Small C programs for it, static.

BENCH_BIN := $(addprefix $(O)/bench/,sendmail forker burst replay count timed)

$(O)/bench/sendmail: tests/bench/sendmail.c
$(O)/bench/forker: tests/bench/forker.c
$(O)/bench/burst: tests/bench/burst.c
$(O)/bench/timed: tests/bench/timed.c
$(O)/bench/sendmail $(O)/bench/forker $(O)/bench/burst $(O)/bench/timed: | $(O)/.dir
	$(call msg,BENCH,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -static -o $@ $<

# The user side alone: fed from memory, for a million messages; and counting a queue.
$(O)/bench/replay $(O)/bench/count: $(O)/bench/%: tests/bench/%.c $(O)/libspamtrace.a | $(O)/.dir
	$(call msg,BENCH,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -o $@ $< $(O)/libspamtrace.a $(LIBS)

.PHONY: bench bench-programs
bench-programs: $(BENCH_BIN)

bench: ## measure what tracing costs (root; QUICK=1: two minutes; DOCS=1: into docs/benchmark.md)
	@scripts/setup build
	@scripts/setup check
	@$(MAKE) --no-print-directory all standin $(BENCH_BIN)
	@O=$(O) tests/bench/run
