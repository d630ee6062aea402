"""launch.py PORT ADDRESS...: serves ministack on exactly these addresses.

ministack's own command takes one address; containers need one more than the loopback, and every
interface would be too many. The second may belong to a bridge that the engine makes only when its
first container starts, so it is bound before it exists.
"""

import asyncio
import contextvars
import itertools
import json
import random
import re
import socket
import sys
import time
from urllib.parse import parse_qsl, quote, urlsplit

from docker.errors import NotFound
from docker.models.images import ImageCollection
from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
from ministack.core import container_reaper
from ministack.services import alb, cognito, ecs
from ministack.services.cloudformation import provisioners

IP_FREEBIND = 15  # Linux, ip(7); Python 3.11 has no name for it.


def listen(address, port):
    """A socket that listens there, whether or not the address exists yet."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
    sock.bind((address, port))
    return sock


def ours_alone(reap_all):
    """At start ministack would also remove containers that carry nobody's name."""

    def reap(client, stop_timeout=2, include_unlabelled=False):
        return reap_all(client, stop_timeout)

    return reap


def with_numbers(operation):
    """Its CloudFormation passes a parameter of type Number on as text; its ECS counts with it."""

    def call(data):
        if isinstance(data.get("desiredCount"), str):
            data["desiredCount"] = int(data["desiredCount"])
        return operation(data)

    return call


def with_secrets(normalize):
    """Its CloudFormation hands containers' secrets to its ECS in the wrong case, which then sees none."""

    def call(definitions):
        containers = normalize(definitions)
        for container in containers:
            secrets = container.get("secrets") or []
            container["secrets"] = [{key[:1].lower() + key[1:]: value for key, value in one.items()} for one in secrets]
        return containers

    return call


def without_registry(images):
    """Before a task starts, the registry of its image is asked six times. Our own images are named after
    localhost, where no registry is: they are here, or nowhere."""
    pull, describe = images.pull, images.get_registry_data

    def is_ours(name):
        return name.startswith("localhost/")

    def pull_others(self, repository, *rest, **options):
        return self.get(repository) if is_ours(repository) else pull(self, repository, *rest, **options)

    def describe_others(self, name, *rest, **options):
        if is_ours(name):
            raise NotFound(f"{name} is in no registry")
        return describe(self, name, *rest, **options)

    images.pull, images.get_registry_data = pull_others, describe_others


def with_replacement(stop_task):
    """It replaces a task that ends by itself, but not one that StopTask ended; ECS replaces both."""

    def call(data):
        answer = stop_task(data)
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        task = cluster and ecs._resolve_task(data.get("task", ""), cluster)
        group = (task or {}).get("group", "")
        if group.startswith("service:"):
            ecs._reconcile_service_tasks(cluster, f"{cluster}/{group.removeprefix('service:')}")
        return answer

    return call


def with_words_of_ecs(resolve):
    """It says in words of its own why a secret cannot be read; who reads them knows those of ECS.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
    """

    def call(definition):
        try:
            return resolve(definition)
        except ecs._SecretResolutionError as error:
            key = re.search(r"unable to retrieve json key '([^']*)'", str(error))
            words = (
                f"retrieved secret from Secrets Manager did not contain json key {key[1]}"
                if key
                else f"ResourceNotFoundException: Secrets Manager can't find the specified secret. ({error})"
            )
            raise ecs._SecretResolutionError(words) from error

    return call


class Unhurried:
    """The clock of its ECS, which inspects every container twice, ten times a second, to see whether it has ended.

    With some containers that keeps a quarter of a core busy, its own and the engine's, while nothing happens. Each two
    seconds is soon enough for a task that ends by itself; one that is stopped is not waited for like this.
    """

    WATCH = 0.1
    SECONDS = 2

    def __getattr__(self, name):
        return getattr(time, name)

    def sleep(self, seconds):
        time.sleep(self.SECONDS if seconds == self.WATCH else seconds)


def now_and_then(look):
    """Its ECS inspects the containers of tasks also whenever somebody lists or describes them, which a console does all the
    time. Those that were inspected a moment ago are not inspected again."""
    looked = {}  # Task -> when it was looked at last.

    def call(task, *rest, **named):
        arn, now = task.get("taskArn"), time.monotonic()
        if now - looked.get(arn, 0.0) < Unhurried.SECONDS * 0.75:
            return None
        looked[arn] = now
        result = look(task, *rest, **named)
        if task.get("lastStatus") == "STOPPED":
            looked.pop(arn, None)
        return result

    return call


class InTurn:
    """The chance by which its load balancer chooses among the targets of a group. One of AWS takes them in turn.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
    """

    def __init__(self):
        self.chosen = {}  # Address of a target -> when it was chosen last.
        self.turns = itertools.count(1)

    def __getattr__(self, name):
        return getattr(random, name)

    def choice(self, targets):
        """The one that has waited longest."""
        addresses = [(target["Id"], target.get("Port")) for target in targets]
        address = min(addresses, key=lambda address: self.chosen.get(address, 0))
        self.chosen[address] = next(self.turns)
        return targets[addresses.index(address)]


def long_enough(first_password):
    """A new user's first password has 12 characters, which a pool that asks for more then refuses."""
    return lambda: first_password() + first_password()


def with_documents(serve_request):
    """Metadata documents (RFC 8414, RFC 9728) of servers whose load balancer is a path here.

    Their addresses have `/.well-known/NAME` between the host and the rest of the path. On AWS that
    leads to the load balancer, whose host is its own; here the load balancer would be missed.
    """
    document = re.compile(r"(/\.well-known/oauth-[a-z-]+)(/_alb/[^/]+)(/.*)")

    async def call(scope, receive, send):
        found = scope["type"] == "http" and document.fullmatch(scope["path"])
        if found:
            path = found[2] + found[1] + found[3]
            scope = {**scope, "path": path, "raw_path": quote(path).encode()}
        await serve_request(scope, receive, send)

    return call


class Audiences:
    """Resource binding (RFC 8707), which it lacks: Cognito puts the `resource` that a sign-in asks
    for into its access tokens as `aud`, and into those that are refreshed from it.

    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-define-resource-servers.html
    """

    def __init__(self):
        self.asked = {}  # What tells a sign-in from another -> its resource.
        self.minting = contextvars.ContextVar("resource", default=None)

    def authorize(self, operation):
        """The form that is shown next keeps all but the resource."""

        def call(method, path, headers, query):
            first = {key: value[0] if isinstance(value, list) else value for key, value in query.items()}
            if first.get("resource"):
                names = ("client_id", "redirect_uri", "code_challenge", "state")
                self.asked[tuple(first.get(name, "") for name in names)] = first["resource"]
            return operation(method, path, headers, query)

        return call

    def issue_code(self, operation):
        """A code keeps the resource of its sign-in."""

        def call(client_id, pool_id, redirect_uri, scope, username, nonce, challenge, challenge_method, state):
            answer = operation(
                client_id, pool_id, redirect_uri, scope, username, nonce, challenge, challenge_method, state
            )
            code = dict(parse_qsl(urlsplit(answer[1].get("Location", "")).query)).get("code")
            if code in cognito._authorization_codes:
                resource = self.asked.pop((client_id, redirect_uri, challenge, state), None)
                cognito._authorization_codes[code]["resource"] = resource
            return answer

        return call

    def token(self, operation):
        """Tokens get the resource of their code or refresh token, and the refresh token keeps it."""

        def call(data, query, body=b"", headers=None):
            form = dict(parse_qsl(body.decode("utf-8", "replace")))
            grants = {"code": cognito._authorization_codes, "refresh_token": cognito._refresh_tokens}
            field = form.get("grant_type", "").removeprefix("authorization_")
            grant = grants.get(field, {}).get(form.get(field)) or {}
            client = cognito._authenticate_client(headers or {}, form)[0]
            if field == "refresh_token" and grant and client != grant["client_id"]:
                # It would make a token for whichever client asks (RFC 6749 section 6 forbids it).
                return cognito._oauth2_error("invalid_grant", "The refresh token is another client's.")
            reset = self.minting.set(grant.get("resource"))
            try:
                answer = operation(data, query, body, headers)
            finally:
                self.minting.reset(reset)
            refresh = json.loads(answer[2]).get("refresh_token")
            if refresh in cognito._refresh_tokens:
                cognito._refresh_tokens[refresh]["resource"] = grant.get("resource")
            return answer

        return call

    def sign(self, operation):
        """The claim itself. An id token's audience is its client."""

        def call(claims, *rest):
            if claims.get("token_use") == "access" and self.minting.get():
                claims = {**claims, "aud": self.minting.get()}
            return operation(claims, *rest)

        return call

    def mend(self):
        cognito.handle_oauth2_authorize = self.authorize(cognito.handle_oauth2_authorize)
        cognito._issue_auth_code_redirect = self.issue_code(cognito._issue_auth_code_redirect)
        cognito._oauth2_token = self.token(cognito._oauth2_token)
        cognito._signed_jwt = self.sign(cognito._signed_jwt)


def main():
    port, addresses = int(sys.argv[1]), sys.argv[2:]
    container_reaper.reap_all = ours_alone(container_reaper.reap_all)
    ecs._create_service = with_numbers(ecs._create_service)
    ecs._update_service = with_numbers(ecs._update_service)
    ecs._ACTION_MAP["StopTask"] = with_replacement(ecs._ACTION_MAP["StopTask"])
    ecs.time = Unhurried()
    ecs._maybe_mark_stopped = now_and_then(ecs._maybe_mark_stopped)
    alb.random = InTurn()
    ecs._resolve_container_secrets = with_words_of_ecs(ecs._resolve_container_secrets)
    without_registry(ImageCollection)
    provisioners._normalize_container_defs = with_secrets(provisioners._normalize_container_defs)
    cognito._generate_temp_password = long_enough(cognito._generate_temp_password)
    Audiences().mend()
    sockets = [listen(address, port) for address in addresses]
    config = Config()
    config.bind = [f"fd://{sock.fileno()}" for sock in sockets]
    config.keep_alive_timeout = 75
    config.accesslog = None
    asyncio.run(serve(with_documents(app), config))


main()
