# SPDX-License-Identifier: GPL-2.0-only
# spamtrace in real kernels from 5.10 to the newest, see scripts/kernel-matrix.

$(O)/kernels/load: tests/kernels/load.c $(O)/libspamtrace.a | $(O)/.dir
	$(call msg,KERNELS,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -static -Wl,--no-warnings -o $@ $< \
	  $(O)/libspamtrace.a $(shell $(PKG_CONFIG) --static --libs $(PKGS)) -lmd -lseccomp

# The matrix tests the very file that make static gives.
KERNELS_NEED := $(O)/static/spamtrace $(O)/kernels/load $(addprefix $(BPF_TEST)/,test_kernel child engine)

check-kernels: deps standin $(KERNELS_NEED) ## boot Debian kernels from 5.10 on and test in each (root)
	@scripts/setup kernels && O=$(O) scripts/kernel-matrix
