"""What was deployed, and a person who may sign in there.

Everything is asked of AWS, as `AWS_ENDPOINT_URL`, `AWS_REGION` and the usual chain of credentials
tell where it is; `QUARTERDECK_ENVIRONMENT` names the environment.
"""

import dataclasses
import functools
import json
import os
import re
import secrets

import boto3
import httpx2

ENVIRONMENT = os.environ.get("QUARTERDECK_ENVIRONMENT", "local")
# One of the user clients' callback URLs; nothing listens there, unless a client does.
CALLBACK = "http://localhost:6274/oauth/callback"


@dataclasses.dataclass(frozen=True)
class Server:
    """An MCP server, and the clients that belong to it."""

    url: str
    user_client: str
    machine_client: str
    machine_secret: str = dataclasses.field(repr=False)

    @property
    def issuer(self) -> str:
        """The authorization server that the server's metadata names."""
        return self.url.removesuffix("/mcp")

    @property
    def read(self) -> str:
        return f"{self.url}/read"

    @property
    def write(self) -> str:
        return f"{self.url}/write"


@dataclasses.dataclass(frozen=True)
class Person:
    """A user of the pool."""

    name: str
    password: str = dataclasses.field(repr=False)
    # What they choose where the password has to be changed.
    next_password: str = dataclasses.field(repr=False, default="")


def outputs(part: str) -> dict[str, str]:
    """Outputs of one of the environment's stacks."""
    stacks = boto3.client("cloudformation").describe_stacks(StackName=f"quarterdeck-{ENVIRONMENT}-{part}")
    return {output["OutputKey"]: output["OutputValue"] for output in stacks["Stacks"][0]["Outputs"]}


@functools.cache
def server(name: str) -> Server:
    """The server of this name."""
    found = outputs(name)
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=found["MachineSecretName"])
    machine = json.loads(secret["SecretString"])
    return Server(found["ResourceUrl"], found["UserClientId"], machine["client_id"], machine["client_secret"])


def new_password() -> str:
    """A password that the pool's policy allows."""
    return f"Aa1-{secrets.token_urlsafe(24)}"


def invited() -> Person:
    """A new user, who has only the password from the mail that Cognito sent them."""
    name = f"{secrets.token_hex(6)}@example.com"
    attributes = [{"Name": "email", "Value": name}, {"Name": "email_verified", "Value": "true"}]
    pool = outputs("platform")["UserPoolId"]
    boto3.client("cognito-idp").admin_create_user(UserPoolId=pool, Username=name, UserAttributes=attributes)
    # The local cloud keeps mails for whoever wants to read them.
    mails = httpx2.get(f"{os.environ['AWS_ENDPOINT_URL']}/_ministack/ses/messages").json()["messages"]
    mail = next(mail for box in mails.values() for mail in box if mail["To"] == [name])
    first = re.search(r"temporary password is (\S+)\.", mail["BodyText"])
    return Person(name, first[1], new_password())


@functools.cache
def person() -> Person:
    """A new user, who has chosen their password already."""
    new, cognito = invited(), boto3.client("cognito-idp")
    pool, password = outputs("platform")["UserPoolId"], new_password()
    cognito.admin_set_user_password(UserPoolId=pool, Username=new.name, Password=password, Permanent=True)
    return Person(new.name, password)
