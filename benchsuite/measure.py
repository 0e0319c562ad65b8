"""Runs a command and measures it."""
import os
import subprocess
import sys
import tempfile
import time

# A process starts with its parent's peak memory on Linux, so this small one stands between.
LAUNCH = """
import os, sys
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
print(usage.ru_maxrss / 1024, file=open(sys.argv[1], "w"))
sys.exit(status != 0)
"""


def run(command):
    """Runs a command: wall and CPU seconds, peak MiB, standard output, and when each line of standard error came."""
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as peak:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-IS", "-c", LAUNCH, peak.name, *map(str, command)],
                                   stdout=output, stderr=subprocess.PIPE, text=True)
        log = [(line.strip(), time.perf_counter() - start) for line in process.stderr]
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status != 0:
            sys.exit(f"{command} failed: {log[-3:]}")
        output.seek(0)
        return seconds, usage.ru_utime + usage.ru_stime, float(peak.read()), output.read(), log
