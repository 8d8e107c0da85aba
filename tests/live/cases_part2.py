# SPDX-License-Identifier: GPL-2.0-only
"""Rows that ask whether the attribution holds in every configuration: SAPI x opcache x way to send,
other senders, engines that cannot be read, chroots and containers, and evasions. Every expected value is
written here by hand; `why` is the reason that a row which cannot be exact must give."""
import http.client
import json
import os
import pwd
import re
import subprocess
import time
from dataclasses import dataclass

from cases import SENDMAIL, SERVERS, Case, Run
from check import MAYBE

HERE = os.path.dirname(os.path.abspath(__file__))
MORE = open(f"{HERE}/sites/part2/more.php", encoding="utf-8").read()


def lines_of(text):
    return {m.group(1): n for n, line in enumerate(text.split("\n"), 1)
            if (m := re.search(r"// way:(\S+)$", line))}


def read(name):
    with open(f"{HERE}/sites/part2/{name}", encoding="utf-8") as f:
        return f.read()


LINES = lines_of(MORE)
PRELOAD = f"{HERE}/sites/part2/preload.php"
PREPEND = f"{HERE}/sites/part2/prepend.php"

PORTS = {
    "modphp-off": 8110,   # opcache off, sendmail_path is a wrapper script
    "modphp-fc": 8111,    # file cache only
    "fpm-off": 8112,
    "fpm-jit": 8113,      # validate_timestamps=0, JIT
    "fpm-preload": 8114,
    "fpm-fc": 8115,       # file cache only, by TCP
    "fpm-reval": 8116,    # revalidate_freq=0
    "nginx-jit": 8117,
    "modphp-one": 8118,   # one worker, mod_cgi
    "fpm-chroot": 8119,   # site 4, behind nginx
    "fpm-box": 8120,      # site 6, in a container
    "fpm-strange": 8121,  # engines that say PHP 9.9
    "modphp-strange": 8122,
    "cgi-strange": 8123,
    "fpm-deaf": 8124,     # and export no php_execute_script
}
SERVERS.update(PORTS)

# Without an opcache that tells of hits.
NO_HITS = {"modphp-off", "fpm-off", "modphp-fc", "fpm-fc", "cgi", "cgi-strange", "fpm-strange",
           "modphp-strange", "fpm-deaf", "fpm-box", "fpm-chroot", "fcgid"}


@dataclass(frozen=True)
class Row(Case):
    """over: fields whose value the kind does not give; {site}, {primary}, {culprit} are filled in."""
    mtas: tuple = ("postfix", "qmail")
    over: tuple = ()            # (name, value) pairs
    why: str = ""               # what spamtrace.reason must hold, where it is not exact
    url: str = ""               # of the request, for the primary script otherwise
    link: str = ""              # "script": the URL names a link to the script
    dir: str = ""               # a directory of its own below the docroot, with these files
    files: tuple = ()           # (name, text) pairs in it
    host: str = ""              # Host header that the client sends
    headers: int = 0            # bytes of further headers
    status: int = 200
    script: str = "more.php"    # what is deployed
    suffix: str = ".php"
    lib: str = "lib"            # the directory of what is included
    cgi: bool = False           # deployed in cgi-bin, as the program itself
    command: tuple = ()         # for kind "cli": argv, {primary}, {way}, {t}
    stdin: str = ""             # "script": the script itself
    cwd: str = ""
    new_session: bool = False
    same_pid: bool = False      # every message's process has the same id
    lines: tuple = ()           # way -> line, where it is not more.php's

    def deploy(self, drive):
        paths = {}
        for site in self.sites:
            uid = 10000 + site
            root = drive.docroot(site)
            if self.cgi:
                root = os.path.dirname(root) + "/cgi-bin"
            if self.dir:
                root = f"{root}/{self.dir}"
                os.makedirs(root, exist_ok=True)
                os.chown(root, uid, uid)
                for name, text in self.files:
                    drive.write(f"{root}/{name}", text.replace("{id}", self.id), uid)
            if self.dir == "drop":
                os.chmod(root, 0o777)
            primary = culprit = f"{root}/{self.id}{self.suffix}"
            text = MORE if self.script == "more.php" else read(self.script)
            if self.suffix == "" and text.startswith("<?php"):
                text = "#!/usr/bin/php\n" + text
            if self.included:
                os.makedirs(f"{root}/{self.lib}", exist_ok=True)
                os.chown(f"{root}/{self.lib}", uid, uid)
                culprit = f"{root}/{self.lib}/{self.id}.inc.php"
                drive.write(primary, f"<?php\nrequire __DIR__ . '/{self.lib}/{self.id}.inc.php';\n", uid)
                if self.way == "cli-child":
                    drive.write(f"{root}/lib/child-{self.id}.php", MORE, uid)
            drive.write(culprit, text, uid)
            if not self.suffix.startswith(".php"):
                os.chmod(culprit, 0o755)
            if self.link:
                link = f"{root}/{self.id}-link{self.suffix}"
                if not os.path.lexists(link):
                    os.symlink(os.path.basename(primary), link)
                primary = link
            real = os.path.realpath(culprit)
            paths[site] = (primary, real)
        return paths

    def fields(self, drive, site, token, paths, fields):
        primary, culprit = paths[site]
        fields.update({"file.path": primary, "spamtrace.culprit.file": culprit,
                       "spamtrace.attribution": self.attribution,
                       "spamtrace.culprit.line": dict(self.lines).get(self.way, LINES.get(self.way))})
        if self.attribution != "exact":
            fields["reason"] = self.why
        for name, value in self.over:
            if isinstance(value, str):
                value = value.format(site=os.path.dirname(drive.docroot(site)), primary=primary, culprit=culprit,
                                     docroot=drive.docroot(site))
            fields[name] = value

    def ask(self, drive, site, way, token, source):
        connection = http.client.HTTPConnection("127.0.0.1", SERVERS[self.run.server], timeout=drive.HANG,
                                                source_address=(source, 0))
        where = self.url or (f"/cgi-bin/{self.id}{self.suffix}" if self.cgi else
                             f"/{self.dir + '/' if self.dir else ''}{self.id}"
                             f"{'-link' if self.link else ''}{self.suffix}")
        query = f"t={token.replace('#', '%23')}" if self.cgi else f"way={way}&t={token.replace('#', '%23')}"
        headers = {"Host": self.host or drive.DOMAINS[site - 1]}
        for i in range(self.headers // 7000):
            headers[f"X-Filler-{i}"] = "x" * 7000
        connection.request("GET", f"{where.format(id=self.id)}?{query}", headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        connection.close()
        if answer.status != self.status:
            raise RuntimeError(f"{self.run.server}{where}: {answer.status} {body[:300]}")
        try:
            return json.loads(body)
        except ValueError:
            raise RuntimeError(f"{self.run.server}{where}: {body[:300]}") from None

    def prime(self, drive, stage):
        run = self.run
        if run.kind != "http" or run.state == "cold" or self.cgi:
            return
        for site in self.sites:
            def asked():
                return self.ask(drive, site, "none", "none", "127.0.0.1")
            asked()
            if run.server in NO_HITS:
                asked()
                continue
            if not drive.wait_until(f"a warm opcache for {self.id}", lambda: asked()["hits"] >= 1, 10):
                raise RuntimeError("the opcache never got warm")

    def send(self, drive, stage, site, token, paths):
        run = self.run
        if run.kind == "http":
            if run.state == "reval":
                for path in paths[site]:
                    os.utime(path, (time.time() - 60,) * 2)
            answer = self.ask(drive, site, self.way, token, drive.client(token))
            if run.server in NO_HITS or self.cgi:
                cache = f"/var/cache/{'php' if run.server == 'modphp-fc' else 'fpm'}-files"
                if run.server.endswith("-fc") and not any(
                        self.id in n for _, _, names in os.walk(cache) for n in names):
                    raise RuntimeError("the file cache does not hold it")
            elif run.state == "warm" and answer["hits"] < 1:
                raise RuntimeError(f"the opcache was not warm: {answer}")
            elif run.state in ("cold", "reval") and answer["hits"] > 0:
                raise RuntimeError(f"the opcache was not {run.state}: {answer}")
            if "jit" in run.server and not answer["jit"]:
                raise RuntimeError(f"no JIT: {answer}")
            return
        user = pwd.getpwnam(run.user)
        primary = paths[site][0]
        values = {"primary": primary, "name": os.path.basename(primary), "way": self.way, "t": token,
                  "dir": os.path.dirname(primary)}
        stdin = subprocess.DEVNULL
        text = f"/tmp/{token}.eml"
        drive.write(text, f"To: x@elsewhere.test\nSubject: [{token}] offer\nX-Truth: {token};\n\nhello\n",
                    user.pw_uid)
        values["text"] = text
        if self.stdin:
            stdin = open(primary if self.stdin == "script" else text, "rb")
        start = Again.run if self.same_pid else subprocess.run
        start([a.format(**values) for a in self.command], check=True, cwd=self.cwd.format(**values) or user.pw_dir,
                       user=user.pw_uid, group=user.pw_gid, extra_groups=[], stdin=stdin,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=self.new_session,
                       env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": user.pw_dir,
                            "USER": run.user, "LOGNAME": run.user})


class Again:
    """Programs that are run one after the other under one process id."""
    pid = 30001

    @classmethod
    def run(cls, argv, **how):
        """subprocess.run(); the process is the next one that the kernel makes, unless somebody forks meanwhile."""
        def check():
            if os.getpid() != cls.pid:
                raise RuntimeError("another process has it")

        for _ in range(2000):
            while os.path.exists(f"/proc/{cls.pid}"):
                cls.pid += 1  # a daemon has it now, and keeps it
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as f:
                f.write(str(cls.pid - 1))
            try:
                return subprocess.run(argv, preexec_fn=check, **how)
            except subprocess.SubprocessError:
                continue
        raise RuntimeError(f"process id {cls.pid} is not to be had")


def web(server, way, state="warm", name=None, **kw):
    kw.setdefault("included", True)
    return Row(name or f"{server}-{way}-{state}", Run("http", server=server, state=state), way=way, **kw)


def cli(name, command, user="site1", way="mail", **kw):
    kw.setdefault("source", "cli")
    return Row(f"cli-{name}", Run("cli", user=user), way=way, command=tuple(command), **kw)


def cgi(server, script, **kw):
    suffix = "." + script.rsplit(".", 1)[1]
    kw.setdefault("over", ()), kw.setdefault("cgi", True)
    over = (("spamtrace.culprit.line", None),) + kw.pop("over")
    return Row(f"{server}-{kw.pop('name', script.replace('.', '-'))}", Run("http", server=server), script=script,
               suffix=suffix, over=over, **kw)


# A stack of which no frame is known.
BLIND = (("spamtrace.culprit.line", None), ("spamtrace.culprit.file", "{primary}"))
NO_CLIENT = (("client.ip", None),)
# The culprit file is found where the host has it.
THERE = (("spamtrace.culprit.deleted", None), ("spamtrace.culprit.size", len(MORE.encode())))
CHILD = "{docroot}/lib/child-fpm-cli-child-warm.php"
NAMED = "the script is the one that the server named"
CALLED = "the script is the one it was called to execute"
NOBODY = (("file.path", None), ("spamtrace.culprit.file", None), ("spamtrace.culprit.line", None))
PHP = ("php", "{primary}", "{way}", "{t}")
ALL_PHP = (".htaccess", "<IfModule mod_php.c>\nphp_value auto_prepend_file " + PREPEND + "\n</IfModule>\n")
USER_INI = (".user.ini", f"auto_prepend_file = {PREPEND}\n")
PREPENDED = dict(dir="pre", files=(ALL_PHP, USER_INI))
REWRITE = dict(dir="rw", files=((".htaccess", "RewriteEngine On\nRewriteRule ^pretty-(.*)$ $1.php [L]\n"),),
               url="/rw/pretty-{id}")


def error(server, name):
    return web(server, "mail", name=f"{server}-errordocument", dir=f"err-{server}-errordocument",
               url="/err-{id}/missing", state="cold", status=404,
               files=((".htaccess", "ErrorDocument 404 /err-{id}/{id}.php\n"),), included=False)


ROWS = [
    # --- opcache states x SAPI x a few ways
    *[web("modphp", w) for w in ("mb", "system", "passthru", "proc-cwd-env", "eval", "eval-eval", "closure",
                                 "generator", "fiber-resumed", "destructor", "shutdown", "nohup", "env", "xargs",
                                 "wrapper", "phpmailer-mail", "phpmailer-sendmail", "symfony-t",
                                 "chdir", "deep", "shell-child")],
    *[web("modphp", w, "cold") for w in ("mail", "eval", "destructor", "shutdown", "phpmailer-sendmail")],
    *[web("modphp-off", w, "off") for w in ("mail", "mb", "closure", "ffi", "phpmailer-mail", "env", "setsid")],
    *[web("modphp-fc", w) for w in ("mail", "mb", "eval", "ffi", "phpmailer-sendmail", "destructor", "xargs")],
    *[web("modphp-vt0", w) for w in ("mb", "system", "generator", "symfony-t", "background", "shutdown")],
    *[web("fpm", w) for w in ("mb", "system", "passthru", "proc-cwd-env", "eval", "eval-eval", "closure",
                              "generator", "fiber-resumed", "destructor", "shutdown", "finished", "nohup", "env",
                              "xargs", "wrapper", "phpmailer-mail", "phpmailer-sendmail", "symfony-t",
                              "deep")],
    *[web("fpm", w, "cold") for w in ("mb", "finished", "generator", "shutdown", "symfony-t")],
    *[web("fpm-tcp", w) for w in ("system", "closure", "finished", "background", "phpmailer-sendmail")],
    *[web("fpm-vt0", w) for w in ("mb", "eval", "destructor", "finished", "wrapper", "setsid")],
    *[web("fpm-off", w, "off") for w in ("mail", "passthru", "eval", "finished", "shutdown", "phpmailer-mail")],
    *[web("fpm-fc", w) for w in ("mail", "system", "closure", "destructor", "symfony-t", "nohup")],
    *[web("fpm-jit", w) for w in ("mail", "mb", "ffi", "generator", "fiber-resumed", "shutdown", "popen",
                                  "deep", "proc-cwd-env")],
    *[web("fpm-preload", w) for w in ("mail", "eval", "destructor", "xargs", "finished")],
    web("fpm-preload", "preloaded", over=(("spamtrace.culprit.file", PRELOAD),
                                          ("spamtrace.culprit.line", lines_of(read("preload.php"))["preloaded"]))),
    *[web("fpm-reval", w, "reval") for w in ("mail", "mb", "closure", "shutdown")],
    *[web("fpm-reval", w) for w in ("mail", "passthru", "setsid")],
    *[web("nginx", w) for w in ("mb", "closure", "finished", "destructor", "background", "phpmailer-mail")],
    *[web("nginx-jit", w) for w in ("mail", "shutdown", "ffi", "symfony-t")],
    *[web("fcgid", w) for w in ("mb", "popen", "eval", "closure", "shutdown", "destructor", "setsid", "pcntl-fork",
                                "phpmailer-sendmail", "wrapper")],
    *[web("cgi", w, "cold") for w in ("mb", "popen", "eval", "generator", "shutdown", "destructor", "background",
                                      "setsid", "pcntl-fork", "phpmailer-mail", "symfony-t", "env")],

    # --- the way to the script
    web("modphp", "mail", name="modphp-prepend-main", **PREPENDED),
    web("fpm", "mail", name="fpm-prepend-main", **PREPENDED),
    web("cgi", "shutdown", "cold", name="cgi-prepend-shutdown", **PREPENDED),
    web("fcgid", "mail", name="fcgid-prepend-main", **PREPENDED),
    *[web(s, "prepend", st, name=f"{s}-prepend-sends", **PREPENDED,
          over=(("spamtrace.culprit.file", PREPEND),
                ("spamtrace.culprit.line", lines_of(read("prepend.php"))["prepend"])))
      for s, st in (("modphp", "warm"), ("fpm", "warm"), ("cgi", "cold"))],
    *[web(s, w, st, name=f"{s}-rewritten", **REWRITE)
      for s, w, st in (("modphp", "mail", "warm"), ("fpm", "closure", "warm"), ("fcgid", "mb", "warm"),
                       ("cgi", "mail", "cold"))],
    *[web(s, w, st, name=f"{s}-symlink", link="script", included=False)
      for s, w, st in (("modphp", "mail", "warm"), ("fpm", "eval", "warm"), ("nginx", "mail", "warm"),
                       ("cgi", "mail", "cold"))],
    *[web(s, w, st, name=f"{s}-docroot-link", sites=(8,))
      for s, w, st in (("modphp", "mail", "warm"), ("fpm", "mb", "warm"), ("nginx", "shutdown", "warm"),
                       ("fcgid", "mail", "warm"), ("cgi", "mail", "cold"))],
    error("modphp", "mail"), error("fpm", "mail"), error("cgi", "mail"),
    web("modphp", "mail", name="modphp-49k-headers", headers=49000),
    web("fpm", "mail", name="fpm-49k-headers", headers=49000),
    web("fcgid", "mail", name="fcgid-49k-headers", headers=49000),
    web("cgi", "mail", "cold", name="cgi-49k-headers", headers=49000),
    *[web(s, "mail", st, name=f"{s}-forged-host", host="evil.example", over=(("url.domain", "blog.test"),))
      for s, st in (("modphp", "warm"), ("fpm", "warm"), ("nginx", "warm"), ("fcgid", "warm"), ("cgi", "cold"))],

    # --- no web server
    cli("plain", PHP), cli("plain-include", PHP, included=True, way="eval"),
    cli("cron", ("sh", "-c", "php {primary} {way} {t}"), new_session=True),
    cli("cron-background", ("sh", "-c", "php {primary} {way} {t} &"), new_session=True, way="mb"),
    cli("nohup", ("setsid", "nohup", "php", "{primary}", "{way}", "{t}"), way="closure"),
    cli("shebang", ("{primary}", "{way}", "{t}"), suffix="",
        lines=(("mail", LINES["mail"] + 1),)),
    cli("relative", ("php", "{name}", "{way}", "{t}"), cwd="{dir}"),
    cli("relative-chdir", ("php", "{name}", "{way}", "{t}"), cwd="{dir}", way="chdir"),
    cli("r", ("php", "-r", "mail('x@elsewhere.test', '[{t}] offer', 'body', 'X-Truth: {t};');"),
        over=(("file.path", "Command line code"), ("spamtrace.culprit.file", "Command line code"),
              ("spamtrace.culprit.line", 1))),
    cli("stdin", ("php", "--", "{way}", "{t}"), stdin="script",
        over=(("file.path", "Standard input code"), ("spamtrace.culprit.file", "Standard input code"))),
    cli("prepend", ("php", "-d", f"auto_prepend_file={PREPEND}", "{primary}", "{way}", "{t}")),
    cli("prepend-shutdown", ("php", "-d", f"auto_prepend_file={PREPEND}", "{name}", "{way}", "{t}"), cwd="{dir}",
        way="shutdown"),
    cli("opcache", ("php", "-d", "opcache.enable_cli=1", "{primary}", "{way}", "{t}"), way="generator"),
    cli("jit", ("php", "-d", "opcache.enable_cli=1", "-d", "opcache.jit=1255", "-d", "opcache.jit_buffer_size=16M",
                "{primary}", "{way}", "{t}"), way="fiber-resumed"),
    *[cli(w, PHP, way=w, user=u, sites=(s,)) for w, u, s in (
        ("pcntl-fork", "site1", 1), ("pcntl-exec", "site2", 2), ("ffi", "site1", 1), ("shutdown", "site2", 2),
        ("destructor", "site3", 3), ("background", "site1", 1), ("setsid", "site2", 2), ("xargs", "site3", 3),
        ("phpmailer-sendmail", "site1", 1), ("symfony-t", "site2", 2), ("wrapper", "site3", 3))],
    # qmail's sendmail -bs is qmail-smtpd, which relays for nobody here
    *[web(s, "symfony-bs", mtas=("postfix",)) for s in ("modphp", "fpm", "fpm-fc")],
    cli("symfony-bs", PHP, way="symfony-bs", mtas=("postfix",)),
    # a command line script that a request starts is its own culprit, the request its origin
    web("fpm", "cli-child", over=(("file.path", CHILD), ("spamtrace.culprit.file", CHILD),
                                  ("spamtrace.culprit.line", LINES["mail"]))),
    cli("phpmailer-qmail", PHP, way="phpmailer-qmail", mtas=("qmail",)),
    web("fpm", "phpmailer-qmail", mtas=("qmail",)), web("modphp", "phpmailer-qmail", mtas=("qmail",)),
    cli("cgi-binary", ("php-cgi", "-f", "{primary}", "way={way}", "t={t}"), way="mail"),

    # --- other senders
    *[cgi("cgi", s) for s in ("cgi.pl", "cgi.py", "cgi.sh")],
    *[cgi("modphp-one", s) for s in ("cgi.pl", "cgi.sh")],
    *[Row(f"cron-{s.replace('.', '-')}", Run("cli", user="site2"), script=s, suffix="." + s.rsplit(".", 1)[1],
          sites=(2,), source="cli", command=("sh", "-c", "{primary} {t}"), new_session=True,
          over=(("spamtrace.culprit.line", None),)) for s in ("cgi.pl", "cgi.py", "cgi.sh")],
    Row("cron-perl-relative", Run("cli", user="site2"), script="cgi.pl", suffix=".pl", sites=(2,), source="cli",
        command=("perl", "{name}", "{t}"), cwd="{dir}", new_session=True, attribution="inferred",
        why="named relative to a directory", over=(("spamtrace.culprit.line", None),)),
    Row("user-terminal", Run("cli", user="site3"), sites=(3,), source="user",
        command=("script", "-qec", SENDMAIL + " -t -i <{text}", "/dev/null"),
        over=(("file.path", None), ("spamtrace.culprit.file", None), ("spamtrace.culprit.line", None),
              ("spamtrace.terminal", "pts/0"))),
    Row("system-program", Run("cli", user="root"), source="user", command=("/usr/local/bin/logwatch-like", "10", SENDMAIL, "-t", "-i"), stdin="text",
        over=(("file.path", None), ("spamtrace.culprit.file", None), ("spamtrace.culprit.line", None),
              ("process.parent.executable", "/usr/local/bin/logwatch-like"))),

    # --- evasions
    *[web(s, w, name=f"evade-{s}-{w}") for s, w in (
        ("modphp", "copied"), ("fpm", "copied"), ("modphp", "renamed"), ("fpm", "renamed"), ("modphp", "argv0"),
        ("fpm", "argv0"), ("modphp", "thread"), ("fpm", "thread"), ("fcgid", "copied"))],
    *[web(s, "delete", st, name=f"evade-{s}-delete", included=False, dir="drop",
          over=(("spamtrace.culprit.deleted", True),))
      for s, st in (("modphp", "warm"), ("fpm", "warm"), ("cgi", "cold"))],
    *[web(s, w, st, name=f"evade-{s}-{w}", mtas=("qmail",)) for s, w, st in (
        ("modphp", "QMAILQUEUE", "warm"), ("fpm", "QMAILQUEUE", "warm"), ("modphp", "qmail-queue", "warm"),
        ("fpm", "qmail-queue", "warm"), ("cgi", "qmail-queue", "cold"))],
    # a directory that is named like a mail library hides nobody
    web("modphp", "mail", name="evade-modphp-lookalike", lib="phpmailer/src"),
    web("fpm", "closure", name="evade-fpm-lookalike", lib="vendor/symfony/mailer"),
    web("fpm", "popen", name="evade-fpm-uploads", lib="uploads/phpmailer"),
    # --- a customer who says that he is another
    # servers of the MTA that anybody can execute, with an environment of his own
    *[web(s, "smtpd", name=f"forge-{s}-smtpd", mtas=("postfix",)) for s in ("modphp", "fpm")],
    *[web(s, "qmail-smtpd", name=f"forge-{s}-qmail-smtpd", mtas=("qmail",), attribution="inferred",
          why="started the MTA's program that took it", over=(("user.email", None),)) for s in ("modphp", "fpm")],
    # code that calls its file another customer's
    *[web(s, "alias", name=f"forge-{s}-file-name", attribution="inferred", why="lies in another vhost's directory",
          over=(("spamtrace.culprit.file", "/var/www/vhosts/shop.test/httpdocs/index.php"),
                ("spamtrace.culprit.line", 1))) for s in ("modphp", "fpm")],
    # a CGI environment that no web server wrote
    cli("forge-cgi", ("env", "GATEWAY_INTERFACE=CGI/1.1", "REDIRECT_STATUS=200", "REQUEST_METHOD=GET",
                      "DOCUMENT_ROOT={dir}", "SCRIPT_FILENAME={primary}", "REMOTE_ADDR=203.0.113.66",
                      "QUERY_STRING=way={way}&t={t}", "php-cgi", "-d",
                      "auto_append_file=/src/tests/live/sites/part2/told.php"),
        sites=(2,), source="script", attribution="inferred",
        why="no web server was seen to start it: the request is what its environment says",
        over=(("url.domain", "shop.test"), ("client.ip", "203.0.113.66"))),
    # one that his own web server wrote
    web("fpm", "own-server", name="forge-own-server", included=False, attribution="inferred", why="a script started the web server",
        over=(("file.path", "{primary}.d/x.sh"), ("spamtrace.culprit.file", "{primary}.d/x.sh"), ("spamtrace.culprit.line", None),
              ("client.ip", "127.0.0.1"))),
    # a FastCGI request that no web server made, to his own pool: the script and the uid are true
    cli("forge-fastcgi", ("sh", "-c", "env -i REQUEST_METHOD=GET SCRIPT_FILENAME={primary} HTTP_HOST=blog.test "
                          "DOCUMENT_ROOT=/var/www/vhosts/blog.test/httpdocs REMOTE_ADDR=203.0.113.66 "
                          "QUERY_STRING='way={way}&t={t}' /usr/bin/cgi-fcgi -bind -connect "
                          "127.0.0.1:$(($(cat /run/fpm/fpm/base) + 2))"), user="site2",
        sites=(2,), source="script", attribution="inferred", why="DOCUMENT_ROOT names another vhost",
        over=(("url.domain", "shop.test"), ("client.ip", "203.0.113.66"))),
    cli("forge-httpd", ("sh", "-c", "cp /usr/bin/timeout /tmp/httpd.$$ && mkdir /tmp/bin.$$ && mv /tmp/httpd.$$ "
                        "/tmp/bin.$$/httpd && cd /tmp/bin.$$ && ./httpd 9 sleep 1 && GATEWAY_INTERFACE=CGI/1.1 "
                        "SCRIPT_FILENAME={primary} DOCUMENT_ROOT={dir} REMOTE_ADDR=203.0.113.66 "
                        f"./httpd 9 {SENDMAIL} -t -i <{{text}}"),
        sites=(2,), source="user", over=NOBODY + NO_CLIENT + (("url.domain", None),)),
    # arguments that name another customer's script
    Row("cli-forge-script", Run("cli", user="site1"), script="cgi.pl", suffix=".pl", sites=(2,), source="cli",
        command=("perl", "{primary}", "{t}"), attribution="inferred", why="the file is another user's",
        over=(("spamtrace.culprit.line", None),)),
    # code of no file that includes another's
    cli("forge-include", ("php", "-r", "include '{primary}'; mail('x@elsewhere.test', '[{t}] offer', 'body', "
                                       "'X-Truth: {t};');"),
        over=(("file.path", "Command line code"), ("spamtrace.culprit.file", "Command line code"),
              ("spamtrace.culprit.line", 1))),
    # an engine of one's own, that the tracer has looked at
    cli("forge-php", ("sh", "-c", "cp $(readlink -f /usr/bin/php) /tmp/php.$$ && exec /tmp/php.$$ -r 'sleep(60);' & "
                      "while kill -0 $! && ! grep -qs php.$$: /out/spamtrace.err; do sleep .01; done; kill $!; "
                      "exec /tmp/php.$$ {primary} {way} '{t}'"),
        attribution="inferred", why="its file is not root's", over=NOBODY),
    cli("title", PHP, way="title"), cli("copied", PHP, way="copied"), cli("thread", PHP, way="thread"),
    # an injector has the id of the one before, which was another site's
    cli("pid-again", PHP, way="pcntl-exec", sites=(1, 2, 3), messages=120, same_pid=True,
        attribution=MAYBE, why="its process id was used twice within a moment"),
    web("modphp-one", "mail", name="one-worker-three-vhosts", sites=(1, 2, 3), messages=9),
    web("modphp-one", "shutdown", name="one-worker-shutdown", sites=(1, 2), messages=4),
    cgi("modphp-one", "cgi.pl", name="after-other-vhost", sites=(2,)),
    web("fpm", "mail", name="fpm-by-turns", sites=(1, 2, 3), messages=9),

    # --- engines that cannot be read
    *[web(s, w, "cold", name=f"{s}-{w}", attribution="inferred", why=CALLED, over=BLIND + NO_CLIENT)
      for s in ("fpm-strange", "modphp-strange") for w in ("mail", "popen", "shutdown")],
    web("modphp-strange", "mail", "cold", name="strange-by-turns", sites=(1, 2, 3), messages=9,
        attribution="inferred", why=CALLED, over=BLIND + NO_CLIENT),
    *[web("cgi-strange", w, "cold", name=f"cgi-strange-{w}", attribution="inferred", why=NAMED, over=BLIND)
      for w in ("mail", "popen", "shutdown")],
    cgi("modphp-strange", "cgi.pl", name="strange-cgi-after-php", sites=(2,)),
    cli("strange", ("/usr/local/bin/php9.9", "{primary}", "{way}", "{t}"), attribution="inferred", why=CALLED,
        over=BLIND),
    cli("strange-relative", ("/usr/local/bin/php9.9", "{name}", "{way}", "{t}"), cwd="{dir}", attribution="inferred",
        why=CALLED, over=BLIND),
    cli("strange-r", ("/usr/local/bin/php9.9", "-r", "mail('x@elsewhere.test', '[{t}] offer', 'body', 'X-Truth: {t};');"),
        attribution="inferred", why="only its directory is known", over=NOBODY),
    web("fpm-deaf", "mail", "cold", name="fpm-deaf-opened", included=False, attribution="inferred",
        why="opened before it entered its directory", over=BLIND + NO_CLIENT),
    web("fpm-deaf", "popen", "cold", name="fpm-deaf-opened-include", attribution="inferred",
        why="opened before it entered its directory", over=BLIND + NO_CLIENT),
    web("fpm-deaf", "mail", "warm", name="fpm-deaf-warm-include", attribution="inferred",
        why="only its directory is known", over=NOBODY + NO_CLIENT),
    # an engine that is seen for the first time when it sends
    cli("strange-new", ("/opt/unknown/php", "{primary}", "{way}", "{t}"), attribution="inferred",
        why="only its directory is known", over=NOBODY),

    # --- roots of their own
    *[web("fpm-chroot", w, name=f"fpm-chroot-{w}", sites=(4,), over=THERE)
      for w in ("mail", "popen", "shutdown", "eval")],
    web("fpm-chroot", "mail", name="fpm-chroot-two", sites=(4, 5), messages=4, over=THERE),
    *[web("fpm-box", w, name=f"fpm-box-{w}", sites=(6,), over=THERE) for w in ("mail", "shutdown", "closure")],
]


def not_exact(rows, verdicts, get):
    """Lines that name each row that is not exact, with the reason it gave."""
    found = []
    for row in rows:
        reported = verdicts[row.id].reported
        if reported and get(reported, "spamtrace.attribution") != "exact":
            found.append(f"  {row.id:<30} {get(reported, 'spamtrace.attribution')}: "
                         f"{get(reported, 'spamtrace.reason')}")
    return ["live: not exact:"] + found if found else []
