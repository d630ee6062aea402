"""A second emulator takes the templates: one environment, and two side by side with two servers each.

moto models the control plane of fewer types than the local cloud, and other ones: gateways, addresses
and flow logs of the network among them. What it lacks is listed in moto-gaps.txt, and that list is
held to the truth: an entry that moto has learnt makes the test fail.
"""

import ipaddress
import json
import logging
import os
import re
import unittest
import warnings
from collections import Counter

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="eu-west-1")

import boto3
from moto import mock_aws
from moto.cloudformation.parsing import resource_class_from_type

import templates

REGION = "eu-west-1"
SERVERS = {"time": 10, "weather": 20}
# Choices that create as much as possible.
NETWORK = {"ZoneCount": 3, "NatMode": "per-zone"}
PLATFORM = {"AlarmEmail": "oncall@example.com", "OriginMode": "vpc-origin"}
SERVER = {"Image": "mcp@sha256:" + "0" * 64, "MinCount": 2, "MaxCount": 6, "SpotWeight": 50}


def gaps() -> list[tuple[str, str]]:
    """What moto-gaps.txt lists, as kind and name."""
    lines = (templates.HERE / "moto-gaps.txt").read_text().splitlines()
    return [tuple(line.split()[:2]) for line in lines if line and not line.startswith("#")]


class Deployment:
    """Templates deployed in moto, without what is listed as lacking."""

    def __init__(self, listed: list[tuple[str, str]]):
        self.listed = listed
        self.deployed, self.left_out, self.names = Counter(), Counter(), Counter()
        self.unknown = set()

    def has(self, kind: str, name: str) -> bool:
        return (kind, name) in self.listed

    def stack(self, environment: str, part: str, name: str, region: str, given: dict) -> dict:
        """Creates a stack; returns its outputs."""
        template = templates.load(templates.path(name))
        given = {"Environment": environment, **given}
        values = templates.parameters(template, given)
        resolved = templates.resolve(template, given)
        gone = {key for key, resource in resolved["Resources"].items() if self.has("type", resource["Type"])}
        self.mappings = resolved.get("Mappings", {})
        body = self.without(resolved, gone, values)
        client = boto3.client("cloudformation", region)
        stack = f"quarterdeck-{environment}-{part}"
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
        client.create_stack(StackName=stack, TemplateBody=json.dumps(body), Parameters=listed, Capabilities=["CAPABILITY_IAM"])
        self.count(client, stack, body, [resolved["Resources"][key]["Type"] for key in gone])
        outputs = client.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
        return {output["OutputKey"]: self.known(output["OutputValue"], resolved) for output in outputs}

    def known(self, value: str, template: dict) -> str:
        """The value of an output; what moto does not know it prints as the function that would give it."""
        if unknown := re.match(r"\{'Fn::GetAtt': \['(\w+)', '(\w+)'\]\}", value):
            self.unknown.add(f"{template['Resources'][unknown[1]]['Type']}.{unknown[2]}")
            return f"absent-{unknown[2]}"
        return value

    def count(self, client, stack: str, body: dict, left_out: list[str]):
        pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
        found = {one["LogicalResourceId"]: one for page in pages for one in page["StackResourceSummaries"]}
        for key, resource in body["Resources"].items():
            if key not in found or not found[key].get("PhysicalResourceId"):
                raise AssertionError(f"{stack}: moto left out {key} ({resource['Type']}); is it in moto-gaps.txt?")
            self.deployed[resource["Type"]] += 1
        # Once for each stack: an association has the name of its table.
        self.names.update({(one["ResourceType"], one["PhysicalResourceId"]) for one in found.values()})
        self.left_out.update(left_out)

    def without(self, template: dict, gone: set[str], values: dict) -> dict:
        """The template without what moto lacks; what refers to it names something absent."""
        kept = {key: dict(resource) for key, resource in template["Resources"].items() if key not in gone}
        for resource in kept.values():
            if resource.get("DependsOn") in gone:
                del resource["DependsOn"]
            wanted = lambda name: not self.has("property", f"{resource['Type']}.{name}")
            resource["Properties"] = {key: value for key, value in resource["Properties"].items() if wanted(key)}
        return self.replace({**template, "Resources": kept}, gone, values)

    def replace(self, node, gone: set[str], values: dict):
        recur = lambda inner: self.replace(inner, gone, values)
        match node:
            case {"Ref": name} if name in gone:
                return f"absent-{name}"
            case {"Fn::GetAtt": [name, *_]} if name in gone:
                return f"absent-{name}"
            case {"Fn::GetAtt": str(name)} if name.split(".")[0] in gone:
                return f"absent-{name}"
            case {"Fn::Sub": str(text)}:
                return {"Fn::Sub": re.sub(r"\$\{(\w+)(\.\w+)?\}", lambda m: f"absent-{m[1]}" if m[1] in gone else m[0], text)}
            case {"Fn::Cidr": [_, number, bits]} if self.has("function", "Fn::Cidr"):
                subnets = ipaddress.ip_network(values["VpcCidr"]).subnets(new_prefix=32 - int(bits))
                return [str(subnet) for subnet, _ in zip(subnets, range(int(number)))]
            case {"Fn::FindInMap": [mapping, first, second]} if self.has("function", "Fn::FindInMap"):
                key = lambda part: values.get(part["Ref"], REGION) if isinstance(part, dict) else part
                return self.mappings[mapping][key(first)][key(second)]
            case dict():
                return {key: recur(value) for key, value in node.items()}
            case list():
                return [recur(value) for value in node]
        return node

    def environment(self, name: str) -> dict:
        """Deploys everything of an environment; returns all outputs of its platform."""
        edge = self.stack(name, "edge", "edge", "us-east-1", {})
        network = self.stack(name, "network", "network", REGION, NETWORK)
        # What the lacking types would have given, in its right shape.
        platform = self.stack(name, "platform", "platform", REGION, PLATFORM | network | edge)
        for server, priority in SERVERS.items():
            inputs = SERVER | network | platform | {"ServerName": server, "Path": f"/{server}", "Priority": priority}
            self.stack(name, server, "server", REGION, inputs)
        return platform


class Moto(unittest.TestCase):
    def setUp(self):
        # moto says on stderr what it lacks; the list says it here.
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")

    def tearDown(self):
        logging.disable(logging.NOTSET)

    @mock_aws
    def test_one_environment(self):
        deployment = Deployment(gaps())
        platform = deployment.environment("prod")
        self.assertEqual(platform["ClusterName"], "quarterdeck-prod")
        services = boto3.client("ecs", REGION).list_services(cluster="quarterdeck-prod")["serviceArns"]
        self.assertEqual(sorted(arn.rsplit("/")[-1] for arn in services), sorted(SERVERS))
        elb = boto3.client("elbv2", REGION)
        balancer = elb.describe_load_balancers(Names=["quarterdeck-prod"])["LoadBalancers"][0]
        self.assertEqual(balancer["Scheme"], "internal")
        rules = elb.describe_rules(ListenerArn=platform["ListenerArn"])["Rules"]
        self.assertEqual(sorted(rule["Priority"] for rule in rules), ["10", "20", "default"])
        self.assertEqual(deployment.unknown, {name for kind, name in gaps() if kind == "attribute"})
        types, total = len(deployment.deployed), deployment.deployed.total()
        print(f"moto: {total} resources of {types} types deployed, {deployment.left_out.total()} of {len(deployment.left_out)} types left out")

    @mock_aws
    def test_two_environments_side_by_side(self):
        deployment = Deployment(gaps())
        # One name is how the other begins.
        platforms = [deployment.environment(name) for name in ("prod", "prod-eu")]
        shared = [f"{kind} {name}" for (kind, name), count in deployment.names.items() if count > 1]
        self.assertEqual(shared, [], "physical names that two stacks have in common")
        same = [key for key in platforms[0] if platforms[0][key] == platforms[1][key]]
        self.assertEqual([key for key in same if platforms[0][key] != "-" and "absent" not in platforms[0][key]], [])
        clusters = boto3.client("ecs", REGION).list_clusters()["clusterArns"]
        self.assertEqual(sorted(arn.rsplit("/")[-1] for arn in clusters), ["quarterdeck-prod", "quarterdeck-prod-eu"])

    def test_every_gap_is_one(self):
        used = {resource["Type"] for name in templates.NAMES for resource in templates.load(templates.path(name))["Resources"].values()}
        for kind, name in gaps():
            with self.subTest(f"{kind} {name}"):
                if kind == "type":
                    self.assertIn(name, used, "no template has it: take it off the list")
                    self.assertIsNone(resource_class_from_type(name), "moto has learnt it: take it off the list")
                elif kind != "attribute":  # Those are compared where outputs are read.
                    self.fails_without((kind, name))

    @mock_aws
    def fails_without(self, entry: tuple[str, str]):
        """An environment cannot be deployed when one entry is not taken into account."""
        deployment = Deployment([other for other in gaps() if other != entry])
        with self.assertRaises(Exception, msg="moto has learnt it: take it off the list") as raised:
            deployment.environment("prod")
        self.assertNotIsInstance(raised.exception, AssertionError)


if __name__ == "__main__":
    unittest.main()
