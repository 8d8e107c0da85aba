# SPDX-License-Identifier: GPL-2.0-only
# One file to copy to a server: glibc and every library in it, stripped.

STATIC := $(O)/static/spamtrace

static: deps $(STATIC) ## build one static, stripped file that runs on any distribution

# The users of other NSS sources than /etc/passwd are out of reach there; see user/base/users.c.
$(O)/static/users.o: user/base/users.c user/base/users.h | $(O)/.dir
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -DUSERS_STATIC -c $< -o $@

# The linker warns where glibc would load a shared library behind one's back: that is an error here.
$(STATIC): $(O)/user/main.o $(O)/static/users.o $(O)/libspamtrace.a
	$(call msg,STATIC,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static -Wl,--fatal-warnings -o $@ $^ \
	  $(shell $(PKG_CONFIG) --static --libs $(PKGS)) -lmd -lseccomp && strip -s $@

.PHONY: check-static
check-static: static ## run the static binary in Debian bullseye, bookworm and trixie (root)
	@tests/static/run $(STATIC)
