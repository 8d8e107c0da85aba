# SPDX-License-Identifier: GPL-2.0-only
"""Judges spamtrace's lines of a storm one by one: each message says in its envelope which script it is of, and which of its
worker's messages."""
import json
import re

SENDER = re.compile(rb'"sender(?:\.address|": ?\{"address)": ?"(\d{1,6})\.(\d{1,9})@')
FILE = re.compile(rb'"file(?:\.path|": ?\{[^}]*"path)": ?("[^"]+")')
QUEUED = b'"mail-queued"'


class Count:
    """right, wrong and unnamed (without a script) are messages, the first line of each; `unread` are those whose line does not say
    which they are, and which are missing, too. `path` of a script's number, the workers that share the scripts."""

    def __init__(self, path, scripts, workers):
        self.paths = [json.dumps(path(i)).encode() for i in range(scripts)]
        self.seen = [bytearray() for _ in range(workers)]
        self.right = self.wrong = self.unnamed = self.unread = self.twice = 0
        self.scripts = set()
        self.example = None
        self.kept = []

    def line(self, line):
        """A line of a queued message."""
        if len(self.kept) < 200:
            self.kept.append(line)
        said = SENDER.search(line)
        if not said or int(said.group(1)) >= len(self.paths):
            self.unread += 1
            return
        script, number = int(said.group(1)), int(said.group(2))
        seen = self.seen[script % len(self.seen)]
        if number >= len(seen):
            seen.extend(bytes(number + 1 - len(seen)))
        if seen[number]:
            self.twice += 1
            return
        seen[number] = 1
        path = FILE.search(line)
        if not path:
            self.unnamed += 1
        elif path.group(1) == self.paths[script]:
            self.right += 1
            self.scripts.add(script)
        else:
            self.wrong += 1
            self.example = self.example or line.decode()

    def result(self, sent):
        """sent: how many messages each worker has sent; they are numbered from 0."""
        return {"right": self.right, "wrong": self.wrong, "unnamed": self.unnamed, "unread": self.unread, "twice": self.twice,
                "missing": sum(n - sum(seen[:n]) for n, seen in zip(sent, self.seen)),
                "never_sent": sum(sum(seen[n:]) for n, seen in zip(sent, self.seen)),
                "scripts": len(self.scripts), "wrong_example": self.example}


def problems(result):
    """What must not be in a result, whatever was lost on the way."""
    found = [f"{result[k]} {k.replace('_', ' ')}" for k in ("wrong", "twice", "never_sent") if result[k]]
    if result["missing"] and not result["losses"]:
        found.append(f"{result['missing']} missing, and nothing is said to be lost")
    return found


def control(count, make):
    """What the judge lets pass, of altered lines that are like the ones it was given; `make` gives a new Count."""
    lines = [line for line in count.kept if SENDER.search(line) and FILE.search(line)]
    first = lines[0] if lines else b""
    other = next((x for x in lines if FILE.search(x).group(1) != FILE.search(first).group(1)), None)
    if not other:
        return ["there are no lines of two scripts to alter"]

    def with_file(line, of):
        (start, end), path = FILE.search(line).span(1), FILE.search(of).group(1)
        return line[:start] + path + line[end:]

    def judged(made):
        c, sent = make(), [0] * len(count.seen)
        for line in made:
            c.line(line)
        for line in (first, other):
            script, number = map(int, SENDER.search(line).groups())
            sent[script % len(sent)] = max(sent[script % len(sent)], number + 1)
        r = c.result(sent)
        return {k: r[k] for k in ("right", "wrong", "twice", "missing")}

    right = judged([first, other])
    missed = []
    for what, made, change in (("swapped", [with_file(first, other), with_file(other, first)], {"right": -2, "wrong": 2}),
                               ("given twice", [first, first, other], {"twice": 1}),
                               ("given in place of another", [first, first], {"right": -1, "twice": 1, "missing": 1})):
        want = {k: v + change.get(k, 0) for k, v in right.items()}
        if right["right"] != 2 or judged(made) != want:
            missed.append(f"lines {what}: {judged(made)} instead of {want}")
    return missed
