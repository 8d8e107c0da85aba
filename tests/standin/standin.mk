# SPDX-License-Identifier: GPL-2.0-only
# The qmail stand-in: $(O)/standin/qmail/. Small programs, one source file each, common.c in all.

STANDIN_QMAIL := qmail-queue qmail-inject sendmail qmail-send qmail-clean qmail-lspawn qmail-rspawn \
		 qmail-local qmail-remote qmail-smtpd tcpserver smtp_auth qmail-qread qmail-qstat \
		 qmail-start true
STANDIN_BIN := $(addprefix $(O)/standin/qmail/,$(STANDIN_QMAIL))
STANDIN_SRC := tests/standin/qmail

.PHONY: standin
standin: $(STANDIN_BIN) ## build the qmail stand-in of the tests

# Two programs under two names each: qmail's own are as close to each other.
STANDIN_TWICE := $(addprefix $(O)/standin/qmail/,qmail-lspawn qmail-rspawn qmail-qstat)

$(O)/standin/qmail/qmail-lspawn $(O)/standin/qmail/qmail-rspawn: $(STANDIN_SRC)/spawn.c
$(O)/standin/qmail/qmail-qstat: $(STANDIN_SRC)/qmail-qread.c
$(filter-out $(STANDIN_TWICE),$(STANDIN_BIN)): $(O)/standin/qmail/%: $(STANDIN_SRC)/%.c

# Static, so that they run in the root file system of any Debian suite; the linker's warning about
# getpwnam() in static programs is of no concern, "files" is built in.
$(STANDIN_BIN): $(STANDIN_SRC)/common.c $(STANDIN_SRC)/qmail.h
	$(call msg,STANDIN,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -static -Wl,--no-warnings -o $@ \
	  $(filter %.c,$^)
