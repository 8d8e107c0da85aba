# SPDX-License-Identifier: GPL-2.0-only
# One file to copy to a server: glibc and every library in it, stripped.

STATIC := $(O)/static/spamtrace

static: deps $(STATIC) ## build one static, stripped file that runs on any distribution

# The users of other NSS sources than /etc/passwd are out of reach there; see user/base/users.c.
$(O)/static/users.o: user/base/users.c user/base/users.h | $(O)/.dir
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -DUSERS_STATIC -c $< -o $@

# glibc would load the host's shared libraries behind one's back for these: only users.c may ask.
# (The linker's own warning is of no use: libcap-ng's unused capng_change_id() asks, too.)
NSS_CALLS := getpw|getgr|getspnam|getaddrinfo|gethostby|getservby|initgroups|dlopen

$(STATIC): $(O)/user/main.o $(O)/static/users.o $(O)/libspamtrace.a
	$(call msg,STATIC,$@)
	$(Q)! nm -A $(filter-out %/base/users.o,$(LIB_OBJ)) $(O)/static/users.o | grep -E ' U ($(NSS_CALLS))'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static -Wl,--no-warnings -o $@ $^ \
	  $(shell $(PKG_CONFIG) --static --libs $(PKGS)) -lmd -lseccomp && strip -s $@

.PHONY: check-static
check-static: static ## run the static binary in Debian bullseye, bookworm and trixie (root)
	@tests/static/run $(STATIC)
