"""Drives the console in tmux and takes its pictures; started by scripts/screenshots."""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from terminal_picture import picture

COLUMNS, ROWS = 120, 36
BINARY = str(Path(os.environ["QUARTERDECK"]).resolve())
FONTS = Path(os.environ["FONTS"])
PICTURES = Path("screenshots")
GUIDE = Path("docs/incidents/pictures")
CAST = Path("screenshots/scale.cast")

# Faults of `local break`: the server, what the cause on Fleet says, and the page of the guide that has the picture.
INCIDENTS = [
    ("exit", "time", r"crash loop", "crash-loop"),
    ("image-tag", "time", r"image", "image"),
    ("secret-key", "weather", r"secret", "secret"),
    ("expired-token", "time", r"expired", "refused"),
    ("other-token", "weather", r"not allowed here|another server", "wrong-server"),
    ("issuer-keys", "time", r"keys cannot be read", "keys"),
    ("upstream", "weather", r"get_\w+( and \d+ others?)? fails?", "upstream"),
    ("flood", "time", r"floods|too often", "flood"),
    ("body-size", "time", r"too large", "waf"),
    ("stack-stuck", "", r"gameday", "stuck-deploy"),
]

# Accounts that a test plays, because the emulator has no such thing: the page of the guide that has the picture, and what
# the cause on Fleet says.
SCENES = [
    ("capacity", r"at its maximum, and its tasks use"),
    ("gateway-errors", r"the load balancer answered"),
    ("health-check", r"health check's path[\s\S]*the check: HTTP"),
    ("logs-dropped", r"its log has no line"),
    ("zone", r"no capacity"),
]


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


def take(name: str, folder: Path = PICTURES) -> None:
    """Writes the screen as a picture."""
    captured = tmux("capture-pane", "-e", "-p", "-N", "-t", "console")
    x, y, shown = tmux("display-message", "-p", "-t", "console", "#{cursor_x} #{cursor_y} #{cursor_flag}").split()
    cursor = (int(x), int(y)) if shown == "1" else None
    picture(captured, COLUMNS, ROWS, cursor, FONTS).save(folder / f"{name}.png", optimize=True)
    print(f"{folder}/{name}.png", flush=True)


def local_cloud_runs() -> bool:
    """Whether it ran before; then it stays."""
    status = subprocess.run([BINARY, "local", "status"], check=True, text=True, stdout=subprocess.PIPE).stdout
    emulator = json.loads(status)["emulator"]
    return bool(emulator and emulator["healthy"])


def open_console(*arguments: str, folder: str = ".", **variables: str) -> None:
    """Opens the console in a terminal of its own."""
    variables = {"TERM": "tmux-256color", "COLORTERM": "truecolor", "TZ": "UTC", **variables}
    command = ["env", "-u", "NO_COLOR", *[f"{name}={value}" for name, value in variables.items()], BINARY, *arguments]
    session = ["new-session", "-d", "-s", "console", "-c", folder, "-x", str(COLUMNS), "-y", str(ROWS)]
    options = ["set-option", "-g", "status", "off", ";", "set-option", "-g", "default-terminal", "tmux-256color"]
    tmux("start-server", ";", *options, ";", *session, shlex.join(command))


def on_aws(*arguments: str, folder: str) -> None:
    """Opens the console on an endpoint that takes any keys, with all that it keeps in a folder."""
    homes = {f"XDG_{kind}_HOME": folder for kind in ("CONFIG", "STATE", "DATA", "CACHE")}
    open_console(*arguments, folder=folder, **homes, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")


def quit_console() -> None:
    """Lets the console end by itself."""
    keys("C-c")
    running = ["tmux", "-L", "quarterdeck", "has-session"]
    while subprocess.run(running, check=False, stderr=subprocess.DEVNULL).returncode == 0:
        time.sleep(0.1)


def close_console() -> None:
    """Ends the terminal and what runs in it."""
    subprocess.run(["tmux", "-L", "quarterdeck", "kill-server"], check=False, stderr=subprocess.DEVNULL)


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
    keys("G", "k", "k", "k")
    wait("events of quarterdeck-local-platform", "AWS::", without="reading …")
    take("stack")
    keys("4")
    wait("local-time-machine", "local-weather-user")
    take("clients")

    keys("1")
    wait(both)
    record()
    scale("1", pictures=False, pause=1.5)
    time.sleep(1.5)
    # Ends the recording.
    tmux("pipe-pane", "-t", "console")
    print(CAST)


def scale(tasks: str, pictures: bool, pause: float = 0.0) -> None:
    """Scales the first server, from the key to the end; with a pause before each key, for whoever watches a recording."""
    time.sleep(pause)
    keys("S")
    wait("plan it")
    time.sleep(pause)
    keys("C-u", tasks)
    time.sleep(pause)
    keys("Enter")
    wait(r"do it\?")
    if pictures:
        take("plan")
    time.sleep(2 * pause)
    keys("y")
    wait("✔ set desired count", r"/\d+ running,|✔ done", without="do it")
    if pictures:
        take("operation-running")
    wait("✔ done", seconds=120)
    if pictures:
        take("operation-done")
    time.sleep(2 * pause)
    keys("Escape")
    # What is drawn over the screen below goes away by itself.
    wait("SERVER", without="done and verified")


def local(*arguments: str) -> None:
    """Runs a command of the local cloud."""
    subprocess.run([BINARY, "local", *arguments], check=True, stdout=subprocess.DEVNULL)


def healthy(server: str) -> None:
    """Waits until the server is well: what was refused a while ago counts for some minutes."""
    wait(rf"{server}\s+● healthy", seconds=600)


def begin_anew() -> None:
    """A new local cloud, which does not remember what was wrong before."""
    quit_console()
    local("down")
    local("up")
    open_console("--local", "--keep")
    wait("Fleet", seconds=900)


def incidents(only: list[str], anew: bool) -> None:
    """Breaks what the guide tells of, takes a picture of Fleet once it names the cause, and mends it; each of them on a new
    local cloud, if nobody else uses the one that there is."""
    GUIDE.mkdir(exist_ok=True)
    for count, (fault, server, cause, page) in enumerate(one for one in INCIDENTS if not only or one[0] in only):
        if anew and count:
            begin_anew()
        keys("1", "g")
        if server:
            healthy(server)
            # Who asks much more than before is known where there is a before.
            before = r"begun [4-9]m" if fault == "flood" else ""
            wait("CloudWatch, read", before, seconds=400)
        local("break", fault, *[server] if server else [])
        if fault == "stack-stuck":
            keys("3")
            wait(cause, seconds=120)
            keys("g", "j")
            wait("events of .*" + cause, "ROLLBACK_COMPLETE|CREATE_FAILED|ROLLBACK_FAILED", seconds=120, without="reading …")
        else:
            select(server)
            wait("cause .*(" + cause + ")", seconds=120)
        take(page, GUIDE)
        if fault == "expired-token":
            keys("m", "b", "b", "b")
            wait("WHY", "token-expired")
            take("refused-requests", GUIDE)
        local("mend")


@contextmanager
def account(scene: str) -> Iterator[str]:
    """The URL of an account that a test plays, for as long as it is looked at."""
    test = ["cargo", "test", "--quiet", "--locked", "--workspace", "--test", "it", "--"]
    test += ["--ignored", "--exact", "--nocapture", "scenes::an_account_to_look_at"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(test, text=True, env={**os.environ, "QUARTERDECK_SCENE": scene}, **pipes) as playing:
        try:
            url = next((line.split()[1] for line in playing.stdout if line.startswith("serving ")), None)
            yield url or sys.exit(f"the test does not play {scene}")
        finally:
            playing.communicate()


def scripted(only: list[str]) -> None:
    """Takes pictures of accounts that the emulator cannot play."""
    GUIDE.mkdir(exist_ok=True)
    for scene, cause in SCENES:
        if only and scene not in only:
            continue
        with account(scene) as url, TemporaryDirectory() as folder:
            on_aws("-e", "prod", "--region", "eu-central-1", "--endpoint-url", url, folder=folder)
            try:
                # Traffic and figures are read after the services.
                wait("cause .*(" + cause + ")", "cpu +[▁-█]", r"weather .*\d+ms", r"CloudWatch, read [2-9]s ago")
                take(scene, GUIDE)
            finally:
                close_console()


def deployed_images() -> dict[str, str]:
    """The images of the local cloud that are gangway themselves, by server."""
    status = subprocess.run([BINARY, "local", "status"], check=True, text=True, stdout=subprocess.PIPE).stdout
    images = [container["image"] for container in json.loads(status)["containers"]]
    return {found[1]: found[0] for image in images if (found := re.fullmatch(r".*/mcp-([a-z]+):\w+", image))}


def other_file(folder: str, of_weather: str, more: str) -> None:
    """Writes a file like that of the local cloud, which says something else of weather, and something of a copy of time."""
    parts = Path("quarterdeck.toml").read_text().split("[[server]]")
    servers = {re.search(r'name = "(\w+)"', server)[1]: server for server in parts[1:]}
    # The others have gangway in front of them, whose image is made by the way.
    of = {name: re.sub(r'image = "[^"]*"', f'image = "{image}"', servers[name]) for name, image in deployed_images().items()}
    of["weather"] += of_weather
    if more:
        of["clock"] = re.sub(r'image = "[^"]*"', more, of["time"].replace('"time"', '"clock"'))
    Path(folder, "quarterdeck.toml").write_text("[[server]]".join([parts[0], *of.values()]))


@contextmanager
def with_another_file(of_weather: str = "", more: str = "") -> Iterator[None]:
    """The local cloud, with a file of its own: the console that runs it deploys what it has."""
    with TemporaryDirectory() as folder:
        other_file(folder, of_weather, more)
        where = ["--region", "us-east-1", "--endpoint-url", EMULATOR]
        on_aws("-e", "local", "--file", "quarterdeck.toml", *where, folder=folder)
        try:
            healthy("weather")
            yield
        finally:
            close_console()


def other_files() -> None:
    """Pictures of a file that is not what is deployed, and of a deploy that fails, of a server that is new."""
    with with_another_file(of_weather="memory = 1024\n"):
        select("weather")
        wait("▸ weather", r"not as the file says.*→ 3 D", "Memory is", "CloudWatch, read")
        take("drift", GUIDE)
    with with_another_file(more='image = "localhost/quarterdeck/mcp-time:v2"'):
        keys("3")
        wait("quarterdeck-local-weather")
        keys("D")
        wait(r"do it\?")
        keys("y")
        try:
            wait("✖ failed", "CannotPullContainerError", seconds=60)
            take("failed-deploy", GUIDE)
            # So that it tells others that it has ended.
            keys("Escape")
            quit_console()
        finally:
            emulator("cloudformation", "Action=DeleteStack&Version=2010-05-15&StackName=quarterdeck-local-clock")


def hands() -> None:
    """Pictures of what an operator does about a caller, and with a secret: on Clients, the first of which is a machine's."""
    keys("4")
    wait("▸ local-time-machine", without="reading …")
    keys("Q")
    wait("how long|for:", "plan it")
    keys("C-u", "30m", "Enter")
    wait(r"do it\?")
    keys("y")
    wait("✔ done")
    keys("Escape")
    wait("kept out +until", "Q 29m")
    take("quarantine", GUIDE)
    keys("Q")
    wait(r"do it\?")
    keys("y")
    wait("✔ done")
    keys("Escape")
    wait("▸ local-time-machine", without="kept out")
    keys("O")
    wait(r"do it\?")
    keys("y")
    wait("grace period: .* left; the old and the new credentials both work", seconds=300)
    take("rotation", GUIDE)
    keys("U")
    wait(r"do it\?")
    keys("y")
    wait("✔ done", seconds=300)
    keys("Escape", "1")


def select(server: str) -> None:
    """Selects the row of a server on Fleet."""
    keys("g")
    for _ in range({"time": 0, "units": 1, "weather": 2}[server]):
        keys("j")


# The emulator, which takes calls without a signature.
EMULATOR = "http://localhost:4666/"


def emulator(service: str, body: str, **headers: str) -> bytes:
    """Calls a service in the local cloud."""
    scope = f"Credential=test/20260101/us-east-1/{service}/aws4_request"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"AWS4-HMAC-SHA256 {scope}", **headers}
    asked = urllib.request.Request(EMULATOR, body.encode(), headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.read()


def cognito(call: str, **body: object) -> dict:
    """Calls Cognito in the local cloud."""
    target = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"AWSCognitoIdentityProviderService.{call}"}
    return json.loads(emulator("cognito-idp", json.dumps(body), **target))


def people() -> None:
    """Two people in the user pool of the local cloud, which has none. They cannot sign in: nobody knows a password."""
    pool = cognito("ListUserPools", MaxResults=1)["UserPools"][0]["Id"]
    for name in ("ada@example.com", "grace@example.com"):
        email = [{"Name": "email", "Value": name}]
        cognito("AdminCreateUser", UserPoolId=pool, Username=name, UserAttributes=email, MessageAction="SUPPRESS")


def others() -> None:
    """Pictures of the screens that say what happened, where the way breaks, and who signs in."""
    people()
    keys("5")
    wait("what happened", "deployment|task", without="reading …")
    take("timeline")
    keys("1", "g", "6")
    # Doctor says it once the last link was tried, whatever it found.
    wait("what was found|what is broken", r"no link is broken|✖ broken", without="asking …|on the way", seconds=60)
    take("doctor")
    keys("4", "u")
    wait("users of", "ada@example.com", without="reading …")
    take("users")
    keys("1")


def record() -> None:
    """Begins to record what the console draws, from a screen that it draws anew."""
    recorder = Path(__file__).with_name("cast.py").resolve()
    command = f"'{sys.executable}' '{recorder}' '{CAST.resolve()}' {COLUMNS} {ROWS}"
    tmux("pipe-pane", "-t", "console", command)
    tmux("resize-window", "-t", "console", "-x", str(COLUMNS - 1), "-y", str(ROWS))
    tmux("resize-window", "-t", "console", "-x", str(COLUMNS), "-y", str(ROWS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tour", action="store_true", help="the screens alone")
    parser.add_argument("--others", action="store_true", help="the Timeline, Doctor and the users alone")
    parser.add_argument("--hands", action="store_true", help="the guide's pictures of a quarantine and a rotation alone")
    parser.add_argument("--incidents", nargs="*", metavar="FAULT", help="the guide's pictures alone, of these faults or all")
    parser.add_argument("--other-files", action="store_true", help="the guide's pictures of drift and of a failed deploy alone")
    parser.add_argument("--scripted", nargs="*", metavar="PAGE", help="the guide's pictures of accounts of a test alone")
    asked = parser.parse_args()
    of_the_local_cloud = asked.tour or asked.others or asked.hands or asked.other_files or asked.incidents is not None
    everything = not of_the_local_cloud and asked.scripted is None
    PICTURES.mkdir(exist_ok=True)
    if everything or asked.scripted is not None:
        scripted(asked.scripted or [])
    if everything or of_the_local_cloud:
        on_the_local_cloud(asked, everything)


def on_the_local_cloud(asked: argparse.Namespace, everything: bool) -> None:
    """Takes pictures of the local cloud, which ends if it did not run before."""
    ran = local_cloud_runs()
    try:
        subprocess.run([BINARY, "local", "up"], check=True, stdout=subprocess.DEVNULL)
        open_console("--local", "--keep")
        if everything or asked.tour:
            tour()
            others()
        if asked.others:
            wait("Fleet", seconds=900)
            healthy("time")
            others()
        if everything or asked.hands:
            wait("Fleet", seconds=900)
            healthy("time")
            hands()
        if everything or asked.incidents is not None:
            wait("Fleet", seconds=900)
            incidents(asked.incidents or [], anew=not ran)
        if everything or asked.other_files:
            wait("Fleet", seconds=900)
            keys("1")
            for server in ("time", "weather"):
                healthy(server)
            close_console()
            other_files()
    finally:
        close_console()
        if not ran:
            subprocess.run([BINARY, "local", "down"], check=True)


if __name__ == "__main__":
    main()
