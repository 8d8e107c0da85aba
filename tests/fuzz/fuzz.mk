# SPDX-License-Identifier: GPL-2.0-only
# libFuzzer targets with AddressSanitizer and UndefinedBehaviorSanitizer: tests/fuzz/fuzz_TARGET.c,
# seeds and what once crashed in tests/fuzz/corpus/TARGET.

FUZZ_CC     := $(CLANG)
FUZZ_FLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_TARGET := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN    := $(FUZZ_TARGET:%=$(O)/fuzz/%)
FUZZ_OBJ    := $(LIB_SRC:user/%.c=$(O)/fuzz/obj/%.o)
# make's own SECONDS, not the shell's
FUZZ_SECONDS := $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60)

$(O)/fuzz/obj/%.o: user/%.c $(O)/spamtrace.skel.h
	$(call msg,FUZZCC,$@)
	$(Q)mkdir -p $(@D) && $(FUZZ_CC) $(ALL_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

$(O)/fuzz/libspamtrace.a: $(FUZZ_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

# memory that runs out, in tests/fuzz/records_memory.h
$(O)/fuzz/records: FUZZ_LINK := -Wl,--wrap=calloc,--wrap=realloc,--wrap=strdup
# another process's memory, which the input is
$(O)/fuzz/walk: FUZZ_LINK := -Wl,--wrap=process_vm_readv

$(FUZZ_BIN): $(O)/fuzz/%: tests/fuzz/fuzz_%.c $(wildcard tests/fuzz/*.h) $(O)/fuzz/libspamtrace.a
	$(call msg,FUZZ,$@)
	$(Q)$(FUZZ_CC) $(ALL_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer $(FUZZ_LINK) -o $@ $< $(O)/fuzz/libspamtrace.a $(LIBS)

fuzz: deps $(FUZZ_BIN) ## fuzz every target, two at a time (SECONDS=60 each)
	@tests/fuzz/run $(O)/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGET)
