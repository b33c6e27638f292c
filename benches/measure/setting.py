"""What every part needs: where the programs are, fresh folders on the disk that is measured, running a command, and what is known of the
machine. It knows nothing of what is measured."""

import datetime
import itertools
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


class Failed(Exception):
    """A measured command did not do what it should; nothing is worth printing then."""


class Setting:
    def __init__(self, options):
        self.ganger = options.ganger
        self.timer = options.tools / "time_processes"
        self.beanstalkd_client = options.tools / "peer_beanstalkd"
        self.beanstalkd = options.beanstalkd
        self.huey_python = options.huey_python
        self.here = Path(__file__).resolve().parent.parent
        self.rounds = options.rounds
        self.quick = options.quick
        self.work = options.work / f"run-{os.getpid()}"
        self.work.mkdir(parents=True)
        self._numbers = itertools.count(1)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("GANGER_", "MAKE", "MFLAGS"))}
        self.env |= {"LC_ALL": "C.UTF-8", "NO_COLOR": "1"}

    def size(self, full, quick):
        return quick if self.quick else full

    def fresh(self, name):
        """A new empty folder."""
        folder = self.work / f"{next(self._numbers):03}-{name}"
        folder.mkdir()
        return folder

    def settle(self):
        """
        Lets the disk come to rest, so that the next measurement does not pay for what this one left. That is removed at the very end:
        ext4 without a journal keeps from using a removed file's inode again for minutes, and each new file costs a search past those.
        """
        os.sync()

    def run(self, argv, folder, ok=(0,)):
        """Runs a command to its end: the seconds it took and what it printed."""
        argv = [str(word) for word in argv]
        errors = folder / "stderr"
        with open(errors, "w+b") as stderr:
            began = time.monotonic()
            process = subprocess.Popen(argv, cwd=folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
            said = process.stdout.read()
            code = process.wait()
            took = time.monotonic() - began
        if code not in ok:
            tail = errors.read_text(errors="replace")[-2000:]
            raise Failed(f"{' '.join(argv)} ended with {code}:\n{tail}")
        return took, said.decode()

    def quiet(self, argv, folder, ok=(0,)):
        """The seconds that a command took that prints to /dev/null."""
        argv = [str(word) for word in argv]
        errors = folder / "stderr"
        with open(errors, "w+b") as stderr:
            began = time.monotonic()
            code = subprocess.call(argv, cwd=folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
            took = time.monotonic() - began
        if code not in ok:
            tail = errors.read_text(errors="replace")[-2000:]
            raise Failed(f"{' '.join(argv)} ended with {code}:\n{tail}")
        return took

    def peak_mib(self, argv, folder, ok=(0,)):
        """The most memory that a command had (its resident set), in MiB, and the seconds it took."""
        noted = folder / "peak"
        took = self.quiet(["/usr/bin/time", "-q", "-f", "%M", "-o", noted, *argv], folder, ok)
        return int(noted.read_text().split()[-1]) / 1024, took


def say(text):
    print(text, file=sys.stderr, flush=True)


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def load():
    return round(os.getloadavg()[0], 2)


def per_cent(values, of):
    """The smallest value that so many per cent of all do not exceed."""
    values = sorted(values)
    return values[max(0, -(-len(values) * of // 100) - 1)]


def median(values):
    return statistics.median(values)


def machine(work):
    """What somebody must know to judge absolute figures: the ratios should need none of it."""
    def first(argv):
        try:
            return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
        except (OSError, subprocess.CalledProcessError, IndexError):
            return "unknown"

    memory = next((int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": platform.release(),
        "file_system": first(["stat", "-f", "-c", "%T", str(work)]),
        "rustc": first(["rustc", "--version"]),
        "make": first(["make", "--version"]),
        "python": platform.python_version(),
    }
