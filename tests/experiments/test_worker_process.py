import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unwarp.experiments.worker_process import Worker


@pytest.fixture
def worker():
    started = Worker(1)
    yield started
    started.kill()


def test_a_worker_answers_until_it_is_killed(worker):
    worker.hand(os.getpid)
    process = worker.answer()
    assert process != os.getpid()
    worker.hand(signal.getsignal, signal.SIGINT)
    assert worker.answer() == signal.SIG_IGN
    worker.hand(os.stat, "missing")
    with pytest.raises(FileNotFoundError, match="missing"):
        worker.answer()
    os.kill(process, signal.SIGKILL)
    assert worker.answer() is None
    assert worker.exit_code() == -signal.SIGKILL


def test_ctrl_c_is_the_parents():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started us behind it
    try:
        Worker(1).kill()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_orphans_end(tmp_path):
    """A worker whose parent is killed ends itself."""
    script = tmp_path / "orphan.py"
    script.write_text(
        "import os, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from unwarp.experiments.worker_process import start_worker\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPoolExecutor(1, mp_context=get_context('spawn'), initializer=start_worker, initargs=(1,))\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert _ends(worker)


def _ends(process, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False
