"""The templates as data, with their choices made."""

from pathlib import Path

import cfnlint.decode.cfn_yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
NAMES = ["edge", "network", "platform", "server", "repository"]
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:files-AbCdEf"
# A server that knows nothing of gangway, with everything that it may have.
APP = {
    "OriginGuardSecret": "quarterdeck/prod/origin-header", "MinCount": 2, "MaxCount": 6,
    "App": '{"transport":"http","port":3000}', "AppCommand": "node~|~dist/index.js", "GangwayImage": "gangway:1",
    "TaskPolicyArns": "arn:aws:iam::123456789012:policy/files", "RegistrySecretArn": SECRET,
    "SecretArns": SECRET, "SecretKeyArns": "arn:aws:kms:eu-west-1:123456789012:key/1",
    "SecretA": f"API_KEY {SECRET}:key::", "User": "1000:1000", "WritableA": "/tmp", "WritableB": "/cache",
    "StartSeconds": 60,
}


def path(name: str) -> Path:
    """Where a template is."""
    return ROOT / "stack" / f"{name}.yaml"


def load(file: Path) -> dict:
    """A template with its functions in their long form."""
    return plain(cfnlint.decode.cfn_yaml.load(str(file)))


def plain(node):
    """The same without cfn-lint's line numbers."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return str(node) if isinstance(node, str) else node


def parameters(template: dict, given: dict) -> dict:
    """Every parameter as CloudFormation sees it: what is given, else the default, as text."""
    known = {name: str(definition["Default"]) for name, definition in template["Parameters"].items() if "Default" in definition}
    return known | {name: str(value) for name, value in given.items() if name in template["Parameters"]}


def resolve(template: dict, given: dict) -> dict:
    """The template with every condition decided, as for these parameters; references stay."""
    values = parameters(template, given)
    truth = {name: holds(node, template["Conditions"], values) for name, node in template.get("Conditions", {}).items()}
    resources = {
        name: {key: value for key, value in decide(resource, truth).items() if key != "Condition"}
        for name, resource in template["Resources"].items()
        if truth.get(resource.get("Condition"), True)
    }
    rest = {key: decide(value, truth) for key, value in template.items() if key not in ("Conditions", "Rules", "Resources")}
    outputs = template.get("Outputs", {})
    rest["Outputs"] = {
        name: {key: value for key, value in decide(output, truth).items() if key != "Condition"}
        for name, output in outputs.items()
        if truth.get(output.get("Condition"), True)
    }
    return rest | {"Resources": resources}


def holds(node, conditions: dict, values: dict):
    """Whether a condition holds; a value where the node is one."""
    if not isinstance(node, dict):
        return str(node)
    ((function, argument),) = node.items()
    recur = lambda inner: holds(inner, conditions, values)
    match function:
        case "Ref":
            return values[argument]
        case "Condition":
            return recur(conditions[argument])
        case "Fn::Equals":
            return recur(argument[0]) == recur(argument[1])
        case "Fn::Not":
            return not recur(argument[0])
        case "Fn::And":
            return all(map(recur, argument))
        case "Fn::Or":
            return any(map(recur, argument))
        case "Fn::Join":
            # A list is a parameter here, whose values are joined with commas.
            return argument[0].join(recur(argument[1]).split(","))
    raise ValueError(f"a condition with {function}")


class NoValue:
    """What `AWS::NoValue` leaves of a property."""


def decide(node, truth: dict):
    """The node with its `Fn::If` replaced by the branch that counts."""
    if isinstance(node, list):
        return [value for value in (decide(item, truth) for item in node) if value is not NoValue]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Fn::If"}:
        condition, yes, no = node["Fn::If"]
        return decide(yes if truth[condition] else no, truth)
    if node == {"Ref": "AWS::NoValue"}:
        return NoValue
    decided = {key: decide(value, truth) for key, value in node.items()}
    return {key: value for key, value in decided.items() if value is not NoValue}
