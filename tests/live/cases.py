# SPDX-License-Identifier: GPL-2.0-only
"""The table of live cases: one row each, what is run and what must be reported.

A row is Case(id, run, way, expect...). The id names the case's own copy of sites/ways.php
(direct: the copy is the primary script; included: a front script includes the copy), so that a
wrong name is the name of another case.

run    http(SERVER, STATE)  a web request; STATE of the opcache is cold, warm or off, and is
                            checked: the script says how often its cached code was used before
       cli(USER)            php SCRIPT WAY TOKEN as that user
       shell(USER, COMMAND) a command line; {t} is the token, {text} a file with the message
expect queued (N messages), attempted or nothing; the source and attribution in design's words.
"""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Run:
    kind: str
    server: str = ""
    state: str = "cold"
    user: str = "root"
    command: str = ""


def http(server, state="cold"):
    return Run("http", server=server, state=state)


def cli(user):
    return Run("cli", user=user)


def shell(user, command):
    return Run("shell", user=user, command=command)


@dataclass(frozen=True)
class Case:
    id: str
    run: Run
    way: str = "mail"
    included: bool = False
    sites: tuple = (1,)
    messages: int = 1
    parallel: int = 1
    expect: str = "queued"
    source: str = "script"
    attribution: str = "exact"
    mtas: tuple = field(default=())  # of these MTAs only


# name: (how it is started, opcache)
SERVERS = {
    "modphp": 8081,
    "modphp-vt0": 8091,
    "fpm": 8082,
    "fpm-tcp": 8083,
    "fpm-vt0": 8092,
    "fcgid": 8084,
    "cgi": 8085,
    "nginx": 8086,
}

SENDMAIL = "/usr/sbin/sendmail"

CASES = [
    # SAPI x opcache x where the call stands
    *[
        Case(f"{server}-{state}-{'include' if included else 'primary'}", http(server, state),
             included=included)
        for server in ("modphp", "modphp-vt0", "fpm", "fpm-vt0")
        for state in ("cold", "warm")
        for included in (False, True)
    ],
    # ways to send, from a warm include
    *[
        Case(f"{server}-{way}", http(server, "warm"), way=way, included=True)
        for server in ("modphp", "fpm")
        for way in ("function", "popen", "proc-string", "proc-array", "exec", "shell_exec",
                    "background", "setsid")
    ],
    # the other ways to reach PHP
    Case("fpm-tcp-warm", http("fpm-tcp", "warm"), included=True),
    Case("nginx-warm", http("nginx", "warm"), included=True),
    Case("fcgid-warm", http("fcgid", "warm"), included=True),
    Case("cgi-cold", http("cgi"), included=True),
    # vhosts that share workers
    Case("modphp-two-vhosts", http("modphp", "warm"), included=True, sites=(1, 2), messages=60,
         parallel=8),
    Case("fpm-three-vhosts", http("fpm", "warm"), included=True, sites=(1, 2, 3), messages=60,
         parallel=8),
    # no web server
    Case("cli-script", cli("site1"), source="cli"),
    Case("cli-script-include", cli("site2"), included=True, sites=(2,), source="cli"),
    Case("user-shell", shell("site3", f"{SENDMAIL} -t -i <{{text}}"), source="user"),
    Case("user-shell-background", shell("site3", f"({SENDMAIL} -t -i <{{text}} &) ; wait"),
         source="user"),
    # an exec that is no message
    Case("modphp-list", http("modphp", "warm"), way="list", expect="nothing"),
    Case("user-list", shell("root", f"{SENDMAIL} -bp"), expect="nothing"),
    # an injection that fails
    Case("modphp-refused", http("modphp", "warm"), way="refused", included=True,
         expect="attempted"),
    Case("fpm-refused", http("fpm", "warm"), way="refused", included=True, expect="attempted"),
    Case("user-refused", shell("site3", f"{SENDMAIL} $([ -d /var/qmail/queue ] && echo -Z) -i "
                                        "-f {t}@truth.test <{text} || :"),
         expect="attempted", source="user"),
    # Exim is setuid root: a site's user cannot kill it.
    Case("modphp-killed", http("modphp", "warm"), way="killed", included=True,
         expect="attempted", mtas=("postfix", "qmail", "sendmail", "nullmailer")),
    Case("fpm-killed", http("fpm", "warm"), way="killed", included=True, expect="attempted",
         mtas=("postfix", "qmail", "sendmail", "nullmailer")),
]

# 6 scripts in 3 vhosts, by turns, 8 at a time.
VOLUME_SCRIPTS = [
    Case(f"volume-{server}-{site}", http(server, "warm"), included=included, sites=(site,))
    for site in (1, 2, 3)
    for server, included in (("modphp", True), ("fpm", False))
]
