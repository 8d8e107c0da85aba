# SPDX-License-Identifier: GPL-2.0-only
"""Rows of faults.py: another PHP takes the place of the one that is traced, under the same name and with everything elsewhere in
it: that of Debian 11, whose root tests/live/faults binds to /opt/bullseye."""
import glob
import http.client
import os
import shutil
import signal
import time

import faults_stage as fs
from faults_stage import get, read, wait_until
from faults_server import shell

OTHER = "/opt/bullseye"
KEPT = "/run/replaced"


def only(pattern):
    found = glob.glob(pattern)
    if len(found) != 1:
        raise fs.Failed(f"{pattern}: {found}")
    return found[0]


def library_for_other():
    """What the other PHP is linked with and this root has not."""
    for name in ("libssl.so.1.1", "libcrypto.so.1.1"):
        where = f"/usr/lib/x86_64-linux-gnu/{name}"
        if not os.path.exists(where):
            shutil.copy2(only(f"{OTHER}/usr/lib/*/{name}"), where)


def replace(path, by):
    """As a package manager does: the new file beside the old one, then its name."""
    os.makedirs(KEPT, exist_ok=True)
    kept = f"{KEPT}/{os.path.basename(path)}"
    if not os.path.exists(kept):
        shutil.copy2(path, kept)
    shutil.copy2(by or kept, f"{path}.new")
    os.rename(f"{path}.new", path)


class Batches:
    """Batches of a row. Another program under a known name, or another module in a known server, is looked at every other second:
    until then its messages may be without a name, though never with a wrong one; from the first that is exact on, all are."""

    def __init__(self, run, tracer):
        self.run, self.tracer = run, tracer
        self.part, self.wanted, self.early = 0, [], set()

    def send(self, kind, count, sites):
        self.part += 1
        run = self.run
        new = run.send(count, self.part, sites) if kind == "cli" else run.web(kind, count, self.part, sites)
        self.wanted += new
        return new

    def known(self, kind):
        self.send(kind, 5, (1, 2, 3))

    def exact(self, token):
        self.run.settle(self.tracer, self.wanted)
        return any(self.run.truth.queue.get(get(r, "email.local_id")) == token and get(r, "spamtrace.attribution") == "exact"
                   for r in self.tracer.records())

    def new(self, kind):
        end = time.monotonic() + 20
        while not self.exact(token := self.send(kind, 1, (1,))[0]):
            self.early.add(token)
            if time.monotonic() > end:
                self.run.need(False, f"{token}: the new program's messages do not become exact")
                break
        self.known(kind)

    def end(self):
        run = self.run
        run.settle(self.tracer, self.wanted)
        status = self.tracer.stop()
        j = run.judge(self.tracer, self.wanted)
        run.need(status == 0, f"exit status {status}, lost {self.tracer.lost()}")
        run.need(not j.missing, f"not reported: {j.missing[:3]}")
        for r in j.unsure:
            token, reason = run.truth.queue.get(get(r, "email.local_id"), ""), get(r, "spamtrace.reason")
            run.need(reason, f"{token}: not exact, without a reason")
            run.need(token in self.early, f"{token}: not exact, and its program was known: {reason}")
        return j


def version_behind(run, kind):
    """PHP_VERSION_ID of what answers, None where nothing does; no message is sent for it."""
    try:
        return int(fs.send_web(run.prefix(kind, 1, "version"), 0))
    except (OSError, http.client.HTTPException, fs.Failed):  # 503: between two
        return None


def version_of_cli():
    return int(fs.as_site(1, ["php", "-r", "echo PHP_VERSION_ID;"]).communicate(timeout=30)[0])


def php(run):
    library_for_other()
    version = os.listdir("/etc/php")[0]
    cli, fpm = os.path.realpath("/usr/bin/php"), f"/usr/sbin/php-fpm{version}"
    b = Batches(run, run.tracer())
    versions = [version_of_cli(), version_behind(run, "fpm")]
    b.known("cli")
    b.known("fpm")
    for others in ((only(f"{OTHER}/usr/bin/php?.?"), only(f"{OTHER}/usr/sbin/php-fpm?.?")), (None, None)):
        replace(cli, others[0])
        replace(fpm, others[1])
        b.known("fpm")  # workers of the old one
        b.new("cli")
        before = version_behind(run, "fpm")
        os.kill(int(read("/run/fpm/fpm/pid")), signal.SIGUSR2)
        wait_until("the new FPM", lambda old=before: version_behind(run, "fpm") not in (None, old))
        b.new("fpm")
        b.known("cli")
        versions += [version_of_cli(), version_behind(run, "fpm")]
    run.need(versions[0] == versions[4] != versions[2] and versions[1] == versions[5] != versions[3], f"versions: {versions}")
    return f"PHP {versions[0]}, {versions[2]} and back, FPM re-executed; {b.end()}"


class Httpd:
    """The stage's Apache with mod_php, and its configuration."""

    conf, modules = "/etc/stage/mod.conf", "/usr/lib/apache2/modules"

    def __init__(self):
        self.own = read(self.conf).decode()
        self.module = f"{self.modules}/libphp{os.listdir('/etc/php')[0]}.so"
        self.line = f"LoadModule php_module {self.module}"
        if self.line not in self.own:
            raise fs.Failed(f"{self.conf} does not say {self.line}")

    def load(self, module=None):
        """The next start loads a PHP 7 from that file, or its own again."""
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(self.own.replace(self.line, f"LoadModule php7_module {module}") if module else self.own)

    def gracefully(self, run):
        # what `-k graceful` sends, which would try the new file itself
        os.kill(int(read("/run/apache/mod.pid")), signal.SIGUSR1)
        wait_until("httpd that serves", lambda: version_behind(run, "mod") is not None)

    def again(self):
        pid = int(read("/run/apache/mod.pid"))
        env = "export PHP_INI_SCAN_DIR=:/etc/stage/mod.ini.d; "
        shell(f"apache2 -f {self.conf} -k stop")
        wait_until("the end of httpd", lambda: not os.path.exists(f"/proc/{pid}"))
        shell(f"{env} apache2 -f {self.conf} -k start")

    def serves(self, run, version):
        wait_until(f"another PHP than {version} in httpd", lambda: version_behind(run, "mod") not in (None, version))
        return version_behind(run, "mod")


def libphp(run):
    """Under the same name: first one that a graceful restart does not load, because PHP 8.2 is never unmapped and goes by its name;
    then, in place of PHP 7.4, one that it does."""
    library_for_other()
    httpd, b = Httpd(), Batches(run, run.tracer())
    versions = [version_behind(run, "mod")]
    b.known("mod")
    replace(httpd.module, only(f"{OTHER}/usr/lib/apache2/modules/libphp?.?.so"))
    httpd.gracefully(run)
    b.new("mod")
    run.need(version_behind(run, "mod") == versions[0], "a graceful restart loaded the new file")
    httpd.load(httpd.module)
    httpd.again()
    versions.append(httpd.serves(run, versions[0]))
    b.new("mod")
    replace(httpd.module, None)
    b.known("mod")
    httpd.load()
    httpd.gracefully(run)
    versions.append(httpd.serves(run, versions[1]))
    b.new("mod")
    run.need(versions[0] == versions[2] != versions[1], f"versions: {versions}")
    return f"PHP {versions[0]}, {versions[1]} by a new httpd, and back by a graceful restart; {b.end()}"


ROWS = (("php-replaced", php), ("libphp-replaced", libphp))
