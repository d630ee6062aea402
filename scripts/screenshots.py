"""Drives the console in tmux and takes its pictures; started by scripts/screenshots."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from terminal_picture import picture

COLUMNS, ROWS = 120, 36
BINARY = str(Path(os.environ["QUARTERDECK"]).resolve())
FONTS = Path(os.environ["FONTS"])
PICTURES = Path("screenshots")


def tmux(*arguments: str) -> str:
    """Runs a command of a tmux server of our own."""
    command = ["tmux", "-L", "quarterdeck", "-f", "/dev/null", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def screen() -> str:
    """The screen as plain text."""
    return tmux("capture-pane", "-p", "-t", "console")


def wait(*patterns: str, without: str | None = None, seconds: float = 60) -> None:
    """Waits until the screen shows all patterns and not the other."""
    end = time.monotonic() + seconds
    while True:
        text = screen()
        missing = [pattern for pattern in patterns if not re.search(pattern, text)]
        if not missing and not (without and re.search(without, text)):
            return
        if time.monotonic() > end:
            sys.exit(f"not seen within {seconds:.0f} s: {missing or f'the end of {without!r}'}\n{text}")
        time.sleep(0.1)


def keys(*names: str) -> None:
    """Presses keys, by tmux's names of them."""
    tmux("send-keys", "-t", "console", *names)


def take(name: str) -> None:
    """Writes the screen as a picture."""
    captured = tmux("capture-pane", "-e", "-p", "-N", "-t", "console")
    x, y, shown = tmux("display-message", "-p", "-t", "console", "#{cursor_x} #{cursor_y} #{cursor_flag}").split()
    cursor = (int(x), int(y)) if shown == "1" else None
    picture(captured, COLUMNS, ROWS, cursor, FONTS).save(PICTURES / f"{name}.png", optimize=True)
    print(f"{PICTURES}/{name}.png")


def local_cloud_runs() -> bool:
    """Whether it ran before; then it stays."""
    status = subprocess.run([BINARY, "local", "status"], check=True, text=True, stdout=subprocess.PIPE).stdout
    emulator = json.loads(status)["emulator"]
    return bool(emulator and emulator["healthy"])


def open_console() -> None:
    """Opens the console on the local cloud, which must run."""
    environment = "env -u NO_COLOR TERM=tmux-256color COLORTERM=truecolor TZ=UTC"
    session = ["new-session", "-d", "-s", "console", "-x", str(COLUMNS), "-y", str(ROWS)]
    options = ["set-option", "-g", "status", "off", ";", "set-option", "-g", "default-terminal", "tmux-256color"]
    tmux("start-server", ";", *options, ";", *session, f"{environment} '{BINARY}' --local --keep")


def tour() -> None:
    """Takes every picture."""
    both = r"time\s.*healthy[\s\S]*units\s.*healthy[\s\S]*weather\s.*healthy"
    wait("Fleet", both, seconds=900)
    keys("?")
    wait("set the desired count")
    take("help")
    keys("Escape")
    wait(both)
    scale("3", pictures=True)

    # Long enough for calls that go wrong, too.
    keys("2")
    wait("get_forecast", "get_current_time", "tool_error", "● live", seconds=120)
    keys("h")
    wait("█|▇|▆|▅|▄|▃|▂")
    take("logs")
    keys("m")
    # The call that went wrong, too.
    wait("P95", r"get_current_time +[\d.]+ +\d+ +[1-9][\d.]*%")
    take("requests")
    keys("1")
    wait(both, "3/3")
    take("fleet")
    keys("Enter")
    wait("tasks of time", "running")
    take("tasks")
    keys("Escape")
    wait("servers")

    keys("3")
    wait("quarterdeck-local-weather")
    keys("G", "k", "k")
    wait("events of quarterdeck-local-platform", "AWS::", without="reading …")
    take("stack")
    keys("4")
    wait("local-time-machine", "local-weather-user")
    take("clients")

    keys("1")
    wait(both)
    scale("1", pictures=False)
    keys("q")


def scale(tasks: str, pictures: bool) -> None:
    """Scales the first server, from the key to the end."""
    keys("S")
    wait("plan it")
    keys("C-u", tasks, "Enter")
    wait(r"do it\?")
    if pictures:
        take("plan")
    keys("y")
    wait("✔ set desired count", r"/\d+ running,|✔ done", without="do it")
    if pictures:
        take("operation-running")
    wait("✔ done", seconds=120)
    if pictures:
        take("operation-done")
    keys("Escape")
    # What is drawn over the screen below goes away by itself.
    wait("SERVER", without="done and verified")


def main() -> None:
    ran = local_cloud_runs()
    PICTURES.mkdir(exist_ok=True)
    try:
        subprocess.run([BINARY, "local", "up"], check=True, stdout=subprocess.DEVNULL)
        open_console()
        tour()
    finally:
        subprocess.run(["tmux", "-L", "quarterdeck", "kill-server"], check=False, stderr=subprocess.DEVNULL)
        if not ran:
            subprocess.run([BINARY, "local", "down"], check=True)


if __name__ == "__main__":
    main()
