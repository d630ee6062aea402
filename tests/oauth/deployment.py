"""What was deployed, and a person who may sign in there.

Everything is asked of AWS, as `AWS_ENDPOINT_URL`, `AWS_REGION` and the usual chain of credentials
tell where it is; `QUARTERDECK_ENVIRONMENT` names the environment.
"""

import dataclasses
import functools
import json
import os
import secrets

import boto3

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
    """A user of the pool, with a password of their own."""

    name: str
    password: str = dataclasses.field(repr=False)


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


@functools.cache
def person() -> Person:
    """A new user, who has chosen their password already."""
    pool, cognito = outputs("platform")["UserPoolId"], boto3.client("cognito-idp")
    made = Person(f"{secrets.token_hex(6)}@example.com", f"Aa1-{secrets.token_urlsafe(24)}")
    attributes = {"email": made.name, "email_verified": "true"}
    cognito.admin_create_user(
        UserPoolId=pool,
        Username=made.name,
        TemporaryPassword=made.password,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
    )
    cognito.admin_set_user_password(UserPoolId=pool, Username=made.name, Password=made.password, Permanent=True)
    return made
