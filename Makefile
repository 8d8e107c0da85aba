# SPDX-License-Identifier: GPL-2.0-only
# spamtrace. `make help` lists the targets.

O          ?= build
CC         ?= gcc
CLANG      ?= clang
BPFTOOL    ?= $(firstword $(shell command -v bpftool 2>/dev/null) $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config
VERSION    := 0.1.0
PKGS       := libbpf libelf jansson libcap-ng zlib
LIBS       := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lmd -lseccomp
PREFIX     ?= /usr/local

WARN   := -Wall -Wextra -Wshadow -Wconversion -Wtype-limits -Werror
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DSPAMTRACE_VERSION='"$(VERSION)"' -Ibpf -Iuser -I$(O) $(WARN) $(CFLAGS)
BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v2 -D__TARGET_ARCH_x86 -I. -Ibpf -Wall -Wextra -Wshadow \
	      -Wtype-limits -Werror -Wno-unused-parameter -Wno-missing-declarations -Wno-gnu-variable-sized-type-not-at-end

BPF_SRC  := $(wildcard bpf/*.bpf.c)
BPF_OBJ  := $(BPF_SRC:bpf/%.bpf.c=$(O)/%.bpf.o)
LIB_SRC  := $(filter-out user/main.c,$(wildcard user/*.c user/*/*.c))
LIB_OBJ  := $(LIB_SRC:user/%.c=$(O)/user/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(O)/unit/%)

ifeq ($(V),1)
Q   :=
msg  =
else
Q   := @
msg  = @printf '  %-7s %s\n' "$(1)" "$(2)";
endif

.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all
.PHONY: all both help deps unit check demo run bench fuzz static check-kernels lint format install clean

all: deps $(O)/spamtrace ## build spamtrace

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps:
	@for t in $(CC) $(CLANG) $(BPFTOOL) $(PKG_CONFIG); do command -v $$t >/dev/null || \
	  { echo "spamtrace: $$t is missing: run 'sudo scripts/setup build', or install it" >&2; exit 1; }; done
	@for p in $(PKGS); do $(PKG_CONFIG) --exists $$p || \
	  { echo "spamtrace: the library $$p is missing: run 'sudo scripts/setup build', or install its -dev package" >&2; exit 1; }; done

# --- kernel side ---
$(O)/%.bpf.o: bpf/%.bpf.c vmlinux.h | $(O)/.dir
	$(call msg,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(O)/$*.bpf.d -MT $@ -c $< -o $@

$(O)/spamtrace.bpf.o: $(BPF_OBJ)
	$(call msg,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(O)/spamtrace.skel.h: $(O)/spamtrace.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name spamtrace > $@.tmp && mv $@.tmp $@

# --- user side ---
$(O)/user/%.o: user/%.c | $(O)/.dir
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(addprefix $(O)/user/kernel/,probe.o probe_attach.o probe_maps.o): $(O)/spamtrace.skel.h

$(O)/libspamtrace.a: $(LIB_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(O)/spamtrace: $(O)/user/main.o $(O)/libspamtrace.a
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# --- tests ---
$(O)/unit/%: tests/unit/%.c $(O)/libspamtrace.a | $(O)/.dir
	$(call msg,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Itests/unit -MMD -MP -MF $@.d -o $@ $< $(O)/libspamtrace.a -lcmocka $(LIBS)

unit: deps $(UNIT_BIN) ## build and run the unit tests (no root needed)
	@scripts/run-unit $(UNIT_BIN)

check: ## build and run every test (root; sets itself up)
	@scripts/check

demo: ## stage a spam run on this machine and trace it (root; MTA=postfix or qmail)
	@scripts/setup build && scripts/setup check && $(MAKE) --no-print-directory all && scripts/demo $(MTA)

run: all ## trace this server
	@$(O)/spamtrace

both: ## compile everything with gcc and with clang, each in its own directory
	$(Q)$(MAKE) --no-print-directory O=$(O)/gcc CC=gcc all $(O)/gcc/unit-built
	$(Q)$(MAKE) --no-print-directory O=$(O)/clang CC=clang all $(O)/clang/unit-built

$(O)/unit-built: $(UNIT_BIN)
	@touch $@

format: ## run clang-format
	clang-format -i $$(git ls-files '*.c' '*.h' | grep -v '^vmlinux.h')

lint: $(O)/spamtrace.skel.h ## clang-format, clang-tidy and shellcheck
	@scripts/lint $(O)

install: all ## install to PREFIX (default /usr/local)
	install -D -m 0755 $(O)/spamtrace $(DESTDIR)$(PREFIX)/sbin/spamtrace

clean: ## remove what was built
	rm -rf $(O)

$(O)/.dir:
	@mkdir -p $(O) && touch $@

-include tests/standin/standin.mk tests/bpf/bpf.mk tests/fuzz/fuzz.mk tests/bench/bench.mk scripts/static.mk scripts/kernels.mk
-include $(shell find $(O) -name '*.d' 2>/dev/null)
