"""What Snakemake's log says of jobs that ended without a word of their own, killed from outside above all.

A job that fails leaves a message (`medpriv.workflow.job`); one that is killed can't. Snakemake logs how its process
ended, once as `died with <Signals.SIGKILL: 9>`, and as exit status 128 + 9 where a shell stood in between.
"""

import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator

_BLOCK = re.compile(
    r"^Command '[^\n]*?(?P<script>\w+)\.py'? (?:died with <Signals\.\w+: (?P<signal>\d+)>"
    r"|returned non-zero exit status (?P<status>\d+))"
    r"|^Error in rule (?P<rule>\w[\w-]*):\n(?:    [^\n]*\n)*?    jobid: (?P<job>\d+)",
    re.MULTILINE,
)
_STARTED = re.compile(r"^(?:local)?rule (?P<rule>[\w-]+):\n(?P<body>(?:    [^\n]*\n)+)", re.MULTILINE)
_MEMORY = (
    "most often by the system, since memory ran out (then `dmesg` or `journalctl -k` says so). Remedy: fewer jobs side "
    "by side (CORES=1), or a machine with more memory"
)
_CAUSES = {
    signal.SIGKILL: _MEMORY,
    signal.SIGTERM: "by somebody, or by a service that watches over memory or time. Remedy: find out which, or give it "
    "more; fewer jobs side by side (CORES=1) need less memory",
    signal.SIGXCPU: "since its time ran out. Remedy: raise the limit (`ulimit -t`)",
    signal.SIGBUS: "often since a disk or /dev/shm is full. Remedy: make room there (`df -h`)",
}
_FAULT = "a fault of a library or of the machine. Remedy: run again; if it comes back, report it with the job's log"


def ended_without_a_word(log: str, told: Iterable[str]) -> list[str]:
    """Return a message for each job that failed and is not among those that told why.

    Args:
        log: Snakemake's log of the run.
        told: what jobs said of their end, `rule: message` each.
    """
    said = Counter(message.partition(":")[0] for message in told)
    names = _names(log)
    messages = []
    for rule, job, number in _ends(log):
        if number is None and said[rule] > 0:
            said[rule] -= 1
            continue
        name = names.get(job, rule)
        if number is None:
            messages.append(f"{name} ended without a message of its own: what Python or Snakemake said stands above")
        else:
            messages.append(f"{name} {killed(number)}")
    return messages


def killed(number: int) -> str:
    """Return in words that a process was ended by a signal, the likely cause, and the remedy."""
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"was killed by {name}, {_CAUSES.get(number, _FAULT)}"


def _ends(log: str) -> Iterator[tuple[str, str, int | None]]:
    """Yield rule, job number and signal (None: it ended by itself) of each job that failed."""
    signals: list[int | None] = []
    for found in _BLOCK.finditer(log):
        if found["rule"]:
            yield found["rule"], found["job"], signals.pop(0) if signals else None
        elif found["signal"]:
            signals.append(int(found["signal"]))
        else:
            status = int(found["status"])
            signals.append(status - 128 if status > 128 else None)


def _names(log: str) -> dict[str, str]:
    """Return by job number what a job is called: its rule and its wildcards' values."""
    names = {}
    for found in _STARTED.finditer(log):
        fields = dict(re.findall(r"^    (jobid|wildcards): (.*?) *$", found["body"], re.MULTILINE))
        values = [part.partition("=")[2] for part in fields.get("wildcards", "").split(", ") if part]
        of = f" ({', '.join(values)})" if values else ""
        names[fields.get("jobid", "")] = f"{found['rule']}{of}"
    return names
