#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# Sends one message: as CGI (?t=TOKEN) or with the token as the argument.
my ($t) = ($ENV{QUERY_STRING} // '') =~ /t=([^&]*)/;
$t //= $ARGV[0];
$t =~ s/%23/#/;
open(my $p, '|-', '/usr/sbin/sendmail -t -i') or die;
print $p "To: x\@elsewhere.test\nSubject: [$t] offer\nX-Truth: $t;\n\nbody\n";
close($p);
print "Content-Type: application/json\n\n{\"hits\": -1}\n";
