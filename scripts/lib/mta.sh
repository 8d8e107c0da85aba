# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The MTAs of a stage. In all of them remote recipients are deferred (nothing can leave), the
# local user "sink" takes and drops mail, and "fwd" forwards to a remote address. Sourced inside a
# stage, after servers.sh.

mail_log=/var/log/mail.log
: "${logs:=/var/log/stage}"

# Local recipients of every MTA.
write_aliases() {
	cat >/etc/aliases <<-'END'
		postmaster: sink
		root: sink
		www-data: sink
		sink: /dev/null
		fwd: r@elsewhere.test
	END
}

# What writes to /dev/log is read into $mail_log.
start_syslog() {
	[ ! -S /dev/log ] || return 0
	: >"$mail_log"
	chmod 0644 "$mail_log"
	python3 /src/scripts/lib/devlog "$mail_log" >/dev/null 2>&1 &
	wait_for_file /dev/log
}

start_postfix() {
	cat >/etc/postfix/main.cf <<-END
		compatibility_level = 3.6
		queue_directory = /var/spool/postfix
		command_directory = /usr/sbin
		daemon_directory = /usr/lib/postfix/sbin
		data_directory = /var/lib/postfix
		mail_owner = postfix
		setgid_group = postdrop
		myhostname = stage.example.test
		mydestination = stage.example.test, localhost
		mynetworks = 127.0.0.0/8
		inet_interfaces = 127.0.0.1
		inet_protocols = ipv4
		alias_maps = hash:/etc/aliases
		maillog_file = $mail_log
		disable_dns_lookups = yes
		defer_transports = smtp
		biff = no
	END
	write_aliases
	newaliases
	postfix start >"$logs/postfix-start.log" 2>&1 ||
		server_died "postfix did not start" "$logs/postfix-start.log" || return
	wait_for_line "$mail_log" 'daemon started' && wait_for_port 25
}

start_exim() {
	write_aliases
	cat >/etc/exim4/exim4.conf <<-'END'
		primary_hostname = stage.example.test
		domainlist local_domains = @ : localhost
		local_interfaces = 127.0.0.1
		daemon_smtp_ports = 25
		acl_smtp_rcpt = accept
		log_selector = +arguments +pid
		never_users = root
		untrusted_set_sender = *
		keep_environment =
		disable_ipv6 = true
		host_lookup =
		begin routers
		drop:
		  driver = redirect
		  local_parts = sink : postmaster : root : www-data
		  domains = +local_domains
		  data = :blackhole:
		forward:
		  driver = redirect
		  local_parts = fwd
		  domains = +local_domains
		  data = r@elsewhere.test
		nobody:
		  driver = redirect
		  domains = +local_domains
		  allow_fail
		  data = :fail: no such user
		smart:
		  driver = manualroute
		  domains = ! +local_domains
		  transport = remote_smtp
		  route_list = * 127.0.0.1 byname
		  self = send
		begin transports
		remote_smtp:
		  driver = smtp
		  port = 2
		  hosts_try_fastopen =
		begin retry
		* * F,1h,30m
		begin authenticators
		plain:
		  driver = plaintext
		  public_name = PLAIN
		  server_prompts = :
		  server_condition = ${if and {{eq{$auth2}{info@shop.test}}{eq{$auth3}{secret}}}}
		  server_set_id = $auth2
		  server_advertise_condition = yes
	END
	: >/var/log/exim4/mainlog
	chown -R Debian-exim:adm /var/log/exim4
	mail_log=/var/log/exim4/mainlog
	exim4 -bd || return
	wait_for_port 25
}

start_sendmail() {
	write_aliases
	start_syslog || return
	# Name look-ups that cannot be answered would cost seconds a message.
	printf 'hosts files\naliases files\n' >/etc/mail/service.switch
	cat >/etc/mail/sendmail.mc <<-'END'
		divert(-1)
		divert(0)dnl
		OSTYPE(`debian')dnl
		DOMAIN(`debian-mta')dnl
		define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
		define(`confDOMAIN_NAME', `stage.example.test')dnl
		define(`SMART_HOST', `[127.0.0.1]')dnl
		define(`RELAY_MAILER_ARGS', `TCP $h 2')dnl
		define(`ESMTP_MAILER_ARGS', `TCP $h 2')dnl
		define(`SMTP_MAILER_ARGS', `TCP $h 2')dnl
		FEATURE(`no_default_msa')dnl
		FEATURE(`accept_unresolvable_domains')dnl
		FEATURE(`nocanonify')dnl
		FEATURE(`promiscuous_relay')dnl
		define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
		TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
		define(`confAUTH_OPTIONS', `A')dnl
		DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=smtp, Addr=127.0.0.1')dnl
		MAILER(`local')dnl
		MAILER(`smtp')dnl
	END
	cat >/etc/mail/submit.mc <<-'END'
		divert(-1)
		divert(0)dnl
		OSTYPE(`debian')dnl
		DOMAIN(`debian-msp')dnl
		define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
		define(`confDOMAIN_NAME', `stage.example.test')dnl
		FEATURE(`nocanonify')dnl
		FEATURE(`msp', `[127.0.0.1]', `25')dnl
	END
	# Debian's .mc files need the directory they include from.
	(cd /etc/mail && for f in sendmail submit; do
		m4 -D_CF_DIR_=/usr/share/sendmail/cf/ /usr/share/sendmail/cf/m4/cf.m4 "$f.mc" >"$f.cf" || exit
	done) 2>"$logs/sendmail-m4.log" || server_died "sendmail.cf" "$logs/sendmail-m4.log" || return
	printf 'stage.example.test\nlocalhost\n' >/etc/mail/local-host-names
	mkdir -p /etc/sasl2 /var/run/sendmail/mta /var/run/sendmail/msp
	chown smmta:smmsp /var/run/sendmail/mta
	chown smmsp:smmsp /var/run/sendmail/msp
	newaliases >/dev/null 2>&1 || :
	# The mailbox of SMTP AUTH; libsasl2 takes what follows the @ as the realm.
	printf '%s\n' 'pwcheck_method: auxprop' 'auxprop_plugin: sasldb' 'mech_list: PLAIN LOGIN' \
		>/etc/sasl2/Sendmail.conf
	echo secret | saslpasswd2 -p -c -u shop.test info 2>"$logs/sendmail-sasl.log" ||
		server_died "saslpasswd2" "$logs/sendmail-sasl.log" || return
	chmod 0600 /etc/sasldb2
	/usr/sbin/sendmail-mta -bd -q1h >"$logs/sendmail-start.log" 2>&1 ||
		server_died "sendmail did not start" "$logs/sendmail-start.log" || return
	wait_for_port 25
}

start_nullmailer() {
	start_syslog || return
	echo '127.0.0.1 smtp --port=2' >/etc/nullmailer/remotes
	echo stage.example.test >/etc/nullmailer/me
	echo stage.example.test >/etc/nullmailer/defaultdomain
	setpriv --reuid=mail --regid=mail --clear-groups nullmailer-send >"$logs/nullmailer.log" 2>&1 &
	mail_log=$logs/nullmailer.log
	wait_for_line "$mail_log" .
}

# The stand-in; see tests/standin/qmail/README.md. /opt/standin is bound by scripts/stage.
start_qmail() {
	/opt/standin/qmail/qmail-start --install /opt/standin/qmail || return
	mail_log=/var/log/maillog
	echo stage.example.test >/var/qmail/control/me
	printf 'stage.example.test\nlocalhost\n' | tee /var/qmail/control/locals >/var/qmail/control/rcpthosts
	echo 'info@shop.test:secret' >/var/qmail/control/smtp-users
	echo '127.:allow,RELAYCLIENT=""' >/etc/tcp.smtp
	local name
	for name in sink postmaster root www-data; do
		echo '|cat >/dev/null' >"/var/qmail/alias/.qmail-$name"
	done
	echo '&r@elsewhere.test' >/var/qmail/alias/.qmail-fwd
	ln -sf /var/qmail/bin/qmail-qstat /var/qmail/bin/qmail-qread /usr/local/sbin/
	(cd / && exec /var/qmail/bin/qmail-start) >"$logs/qmail.log" 2>&1 </dev/null &
	(cd / && exec /var/qmail/bin/tcpserver -x /etc/tcp.smtp -u 1002 -g 1001 127.0.0.1 25 \
		/var/qmail/bin/qmail-smtpd /var/qmail/bin/smtp_auth /var/qmail/bin/true) \
		>>"$logs/qmail.log" 2>&1 </dev/null &
	wait_for_line "$mail_log" 'status: local 0' && wait_for_port 25
}

start_mta() {
	case $STAGE_MTA in
	none) ;;
	postfix | exim | sendmail | nullmailer | qmail) "start_$STAGE_MTA" ;;
	*) server_died "the stage cannot start $STAGE_MTA yet" ;;
	esac
	echo "$mail_log" >/run/mail-log
}
