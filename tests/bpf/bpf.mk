# SPDX-License-Identifier: GPL-2.0-only
# The kernel side, driven for real: children of the test's own, no MTA, no PHP. Needs root.

BPF_TEST := $(O)/bpf-test

$(BPF_TEST)/child: tests/bpf/child.c | $(O)/.dir
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -static -o $@ $<

# Exports its globals as PHP does.
$(BPF_TEST)/engine: tests/bpf/engine.c tests/bpf/engine.h $(O)/user/kernel/php_layouts.o
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -rdynamic -pthread -o $@ $< $(O)/user/kernel/php_layouts.o

$(BPF_TEST)/test_kernel: tests/bpf/test_kernel.c tests/bpf/test_engine.c tests/bpf/test_programs.c tests/bpf/test_queue.c tests/bpf/harness.c \
			 tests/bpf/harness.h tests/bpf/engine.h $(O)/libspamtrace.a
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -pthread -o $@ $(filter %.c,$^) $(O)/libspamtrace.a -lcmocka $(LIBS)

.PHONY: bpf-test
bpf-test: deps $(BPF_TEST)/test_kernel $(BPF_TEST)/child $(BPF_TEST)/engine ## drive the kernel side with real processes (root)
	@$(BPF_TEST)/test_kernel $(BPF_TEST) tests/kernels/insns
