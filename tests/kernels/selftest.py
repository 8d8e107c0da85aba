#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""judge.py and table.py on made-up input, before kernels are booted for them: what must not pass does not."""
import copy
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import judge
import table


def put(record, name, value):
    *path, last = name.split(".")
    for part in path:
        record = record.setdefault(part, {})
    record[last] = value


def mail(subject):
    record = {}
    put(record, "event.action", "mail-queued")
    put(record, "email.subject", subject)
    put(record, "spamtrace.attribution", "exact")
    for name, value in judge.EXPECTED[subject.split(" ")[0]].items():
        put(record, name, value)
    return record


def recording(skipped=0):
    """24 mails and the end, which comes last."""
    end = {}
    put(end, "event.action", "trace-ended")
    put(end, "spamtrace.hooks", ["queue (fexit)"])
    put(end, "spamtrace.queues", [{"queued": 24, "unexplained": 0}])
    if skipped:
        put(end, "spamtrace.lost.program-skipped", skipped)
    return [mail(f"{what} {n}") for what in ("form", "order", "cron") for n in range(1, 9)] + [end]


def without_origin(record, told="none"):
    put(record, "spamtrace.attribution", told)
    del record["file"], record["spamtrace"]["culprit"]


class Judge(unittest.TestCase):
    def told(self, records, errors="spamtrace: tracing\n", total=24):
        return judge.judge(records, errors, total)

    def fails(self, records, word, **more):
        told = self.told(records, **more)
        self.assertFalse(told.endswith("ok"), told)
        self.assertIn(word, told)

    def test_as_it_should_be(self):
        self.assertEqual(self.told(recording()), "[queue (fexit)] 24/24 ok")
        self.assertEqual(self.told(recording(3)), "[queue (fexit)] 24/24 (3 skips told) ok")

    def test_skips_forgive_what_is_not_named(self):
        for told in ("none", "inferred"):
            records = recording(1)
            without_origin(records[0], told)
            self.assertEqual(self.told(records), "[queue (fexit)] 23/24 (1 skips told) ok")
        records = recording(1)
        put(records[0], "spamtrace.attribution", "inferred")  # its names are right
        self.assertTrue(self.told(records).endswith("ok"))
        records = recording(1)
        del records[0]
        put(records[-1], "spamtrace.queues", [{"queued": 23, "unexplained": 0}])
        self.assertTrue(self.told(records).endswith("ok"))

    def test_each_skip_forgives_one(self):
        records = recording()
        without_origin(records[0])
        self.fails(records, "attribution 'none'")
        records = recording(1)
        without_origin(records[0])
        without_origin(records[9])
        self.fails(records, "attribution 'none'")
        records = recording(1)
        del records[0]
        self.fails(records, "queue")  # it counts 24
        self.assertTrue(self.told(records[:-1] + recording(2)[-1:]).endswith("ok"))

    def test_a_wrong_name_is_not_forgiven(self):
        for name, value in (("file.path", "/var/www/vhosts/shop.test/httpdocs/order.php"), ("user.id", "33"),
                            ("url.domain", "shop.test"), ("client.ip", "192.0.2.1"), ("spamtrace.culprit.line", 6),
                            ("spamtrace.culprit.file", "/var/www/vhosts/blog.test/httpdocs/form.php")):
            for told in ("exact", "inferred", "none"):
                records = recording(9)
                put(records[0], "spamtrace.attribution", told)
                put(records[0], name, value)
                self.fails(records, name)
        records = recording(9)
        put(records[16], "url.domain", "club.test")  # of the command line
        self.fails(records, "url.domain")
        records = recording(9)
        del records[0]["file"]  # said to be exact
        self.fails(records, "file.path")

    def test_nor_is_anything_else(self):
        records = recording(9)
        records[1] = copy.deepcopy(records[0])
        self.fails(records, "told 2 times")
        records = recording(9)
        put(records[0], "email.subject", "of somebody else")
        self.fails(records, "not of the test")
        records = recording(9)
        put(records[-1], "spamtrace.lost.ring-full", 1)
        self.fails(records, "ring-full")
        self.fails(recording(9)[:-1], "trace's end")
        self.fails([], "trace's end")
        self.fails(recording(9), "privileges", errors="spamtrace: tracing goes on with the privileges that are left\n")
        self.fails(recording(), "unseen", total=26)


OUTPUT = """@program on_fork 3000 40000
@program on_exec 2600 16000
@hooks fexit fork, exec, exit, queue (fexit), connect, exec in place, script opens, queue file creation
@hooks syscalls fork, exec, exit, queue (syscalls), connect, exec in place, script opens, queue file creation
@result kernel 6.12.118+deb13-amd64
@result load ok
@result bpf 0 0
@result in-place tried
@result trace.postfix [queue (fexit)] 26/26 ok
@result exit.postfix 0
@result trace.fexit [queue (fexit)] 26/26 ok
@result exit.fexit 0
@result trace.fanotify [queue (fanotify)] 26/26 (2 skips told) ok
@result exit.fanotify 0
@result trace.syscalls [queue (syscalls)] 26/26 ok
@result exit.syscalls 0
@result status 0
"""
COSTS = {("6.12", "on_fork"): (3000, 40000), ("6.12", "on_exec"): (2600, 16000), ("6.18", "on_end"): (1, 1)}


class Table(unittest.TestCase):
    def faults(self, output, costs=COSTS):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as f:
            f.write(output)
            f.flush()
            found = table.read(f.name)
        checks = table.check("6.12", found, costs)
        self.cells = table.row("6.12", found, checks)
        return {name for name, faults in checks.items() if faults}

    def without(self, line):
        self.assertIn(line, OUTPUT)
        return "".join(x for x in OUTPUT.splitlines(True) if not x.startswith(line))

    def test_as_it_should_be(self):
        self.assertEqual(self.faults(OUTPUT), set())
        self.assertEqual(self.cells, ["6.12.118+deb13", "2", "ok", "26 of 26", "26 of 26", "26 of 26 (2 skips told)", "26 of 26", "yes"])

    def test_what_is_absent_fails(self):
        for line in OUTPUT.splitlines():
            self.assertNotEqual(self.faults(self.without(line)), set(), line)
        self.assertEqual(self.faults(self.without("@result trace.fanotify")), {"trace (fanotify)"})
        self.assertEqual(self.cells[5], "FAILED")
        self.assertEqual(self.faults(self.without("@result bpf")), {"BPF tests"})
        self.assertIn("trace (postfix)", self.faults(""))

    def test_what_a_kernel_cannot_do(self):
        old = OUTPUT.replace("6.12.118+deb13", "5.10.0-46").replace("exec in place, ", "").replace("in-place tried", "in-place not before 6.10")
        old = old.replace("26/26", "24/24").replace("[queue (fanotify)] 24/24 (2 skips told) ok", "not before 5.17")
        self.assertEqual(self.faults(old), set())
        self.assertEqual(self.faults(old.replace("5.10.0-46", "6.1.0-57")), {"trace (fanotify)"})
        self.assertIn("exec in place", self.faults(OUTPUT.replace("in-place tried", "in-place the PHP here has no pcntl_exec()")))

    def test_results_that_are_wrong(self):
        for good, bad, name in (("trace.fexit [queue (fexit)]", "trace.fexit [queue (syscalls)]", "trace (fexit)"),
                                ("trace.postfix [queue (fexit)] 26/26 ok", "trace.postfix [queue (fexit)] 25/26 unseen", "trace (postfix)"),
                                ("trace.syscalls [queue (syscalls)] 26/26", "trace.syscalls [queue (syscalls)] 24/24", "trace (syscalls)"),
                                ("exit.fanotify 0", "exit.fanotify 2", "trace (fanotify)"),
                                ("bpf 0 0", "bpf 0 10", "BPF tests"), ("bpf 0 0", "bpf 1 0", "BPF tests"),
                                ("connect, exec in place, script", "connect, script", "load and attach"),
                                ("status 0", "status 124", "guest"), ("status 0", "status 0\n@result servers failed", "guest"),
                                ("@result load", "@note a hook was refused\n@result load", "load and attach")):
            self.assertEqual(self.faults(OUTPUT.replace(good, bad)), {name}, bad)

    def test_costs(self):
        for good, bad in (("on_fork 3000 40000", "on_fork 3400 40000"), ("on_fork 3000 40000", "on_fork 3000 62000"),
                          ("@program on_fork 3000 40000\n", ""), ("on_fork", "on_fork_again")):
            self.assertEqual(self.faults(OUTPUT.replace(good, bad)), {"instruction counts"}, bad)
        self.assertEqual(self.faults(OUTPUT, {("6.18", "on_end"): (1, 1)}), {"instruction counts"})
        self.assertEqual(self.faults(OUTPUT, {}), {"instruction counts"})
        self.assertEqual(self.faults(OUTPUT, None), set())

    def test_document(self):
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as f:
            f.write("a\n<!-- kernels -->\nold\n<!-- end -->\nb\n<!-- end -->\n")
            f.flush()
            self.assertEqual(table.write_document(f.name, "new"), "")
            with open(f.name, encoding="utf-8") as again:
                self.assertEqual(again.read(), "a\n<!-- kernels -->\nnew\n<!-- end -->\nb\n<!-- end -->\n")
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as f:
            self.assertNotEqual(table.write_document(f.name, "new"), "")


if __name__ == "__main__":
    unittest.main()
