"""What holds for every template: it works alone, its parameters have bounds, its names never collide."""

import json
import re
import unittest

from cfnlint.helpers import REGIONS
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

import templates

# CloudFormation takes no more without a bucket.
MOST_BYTES = 51_200
# What an operator gives a server; everything else comes from defaults and outputs.
GIVEN = {"edge": set(), "network": set(), "platform": set(), "server": {"ServerName", "Image", "Path", "Priority"}, "repository": {"RepositoryName"}}
# Whose outputs each template's parameters are.
BEFORE = {"edge": [], "network": [], "platform": ["edge", "network"], "server": ["network", "platform"], "repository": []}
# Properties that name a real thing.
NAMING = {
    "AliasName", "AlarmName", "ClientName", "ClusterName", "Domain", "Family", "LogGroupName", "Name", "PolicyName",
    "RepositoryName", "RoleName", "ServiceName", "TableName", "TopicName", "UserPoolName",
}
# Types whose names are unique within the environment's cluster or user pool, not the account.
WITHIN = {"AWS::ECS::Service", "AWS::Cognito::UserPoolResourceServer", "AWS::Cognito::UserPoolClient"}


def nodes(node):
    """Every mapping below a node."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from nodes(inner)


# Chosen when a stack is made: the console refuses a change, or gives what never changes.
CHOSEN_ONCE = {
    "Environment", "ServerName", "OriginMode", "CognitoDomainPrefix", "KeepLogs", "VpcId", "VpcCidr",
    "ClusterName", "UserPoolId", "LoadBalancerFullName", "RepositoryName",
}
# Several may have one name, as the revisions of a family, or another property tells them apart.
ALIKE = {"AWS::ECS::TaskDefinition", "AWS::Cognito::UserPoolClient", "AWS::Cognito::UserPoolResourceServer"}


def reads(node, conditions: dict) -> set[str]:
    """The parameters that a value depends on, by way of conditions too."""
    found = set()
    for mapping in nodes(node):
        for key, value in mapping.items():
            if key == "Ref" and isinstance(value, str):
                found.add(value)
            elif key == "Fn::Sub" and isinstance(value, str):
                found |= set(re.findall(r"\$\{(\w+)\}", value))
            elif key in ("Fn::If", "Condition"):
                name = value[0] if key == "Fn::If" else value
                found |= reads(conditions.get(name, {}), conditions)
    return found


def names(template: dict, values: dict):
    """The names that a stack gives, each with its type."""
    for resource in templates.resolve(template, values)["Resources"].values():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind in ("AWS::EC2::EIP", "AWS::EC2::VPCEndpoint"):
            continue  # Their Domain and ServiceName are no names of theirs.
        nested = [value for value in properties.values() if isinstance(value, dict) and isinstance(value.get("Name"), (str, dict))]
        for holder in [properties, *nested]:
            for key in NAMING & set(holder):
                match holder[key]:
                    case str(text) | {"Fn::Sub": str(text)}:
                        yield kind, re.sub(r"\$\{(\w+)\}", lambda match: str(values.get(match[1], match[0])), text)
                    case {"Ref": name} if name in values:
                        yield kind, str(values[name])


class Shape(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = {name: templates.load(templates.path(name)) for name in templates.NAMES}

    def test_every_template_is_checked(self):
        self.assertEqual({file.stem for file in templates.path("edge").parent.glob("*.yaml")}, set(templates.NAMES))

    def test_it_needs_no_bucket(self):
        for name in self.all:
            self.assertLess(templates.path(name).stat().st_size, MOST_BYTES, name)

    def test_it_works_alone(self):
        for name, template in self.all.items():
            text = json.dumps(template)
            for foreign in ("Fn::ImportValue", '"Export"', '"Transform"', "AWS::CloudFormation::", "Custom::"):
                self.assertNotIn(foreign, text, name)
            outputs = {output for before in BEFORE[name] for output in self.all[before]["Outputs"]}
            needed = {key for key, one in template["Parameters"].items() if "Default" not in one}
            self.assertEqual(needed - outputs - GIVEN[name] - {"Environment"}, set(), f"{name}: neither given, nor an output, nor with a default")

    def test_parameters_are_described_and_bounded(self):
        for name, template in self.all.items():
            for key, one in template["Parameters"].items():
                self.assertGreaterEqual(len(one.get("Description", "").split()), 2, f"{name}: {key}")
                bounded = "AllowedValues" in one or (one["Type"] == "Number" and {"MinValue", "MaxValue"} <= set(one))
                self.assertTrue(bounded or "AllowedPattern" in one, f"{name}: {key} takes anything")
                if "AllowedPattern" in one and one["Type"] == "String" and "Default" in one:
                    self.assertRegex(one["Default"], f"^(?:{one['AllowedPattern']})$", f"{name}: {key}")
            for key, one in template["Outputs"].items():
                self.assertGreaterEqual(len(one.get("Description", "").split()), 2, f"{name}: {key}")

    def test_every_resource_that_can_be_tagged_is(self):
        for name, template in self.all.items():
            wanted = {"quarterdeck:environment"} | ({"quarterdeck:server"} if name == "server" else set())
            for key, resource in template["Resources"].items():
                schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
                field = next((field for field in ("Tags", "UserPoolTags") if field in schema["properties"]), None)
                if field:
                    tags = resource["Properties"].get(field, [])
                    self.assertLessEqual(wanted, set(tags) if isinstance(tags, dict) else {tag["Key"] for tag in tags}, f"{name}: {key}")

    def test_the_vpc_origin_never_changes(self):
        """CloudFront refuses every update of one that a distribution uses, tags included, and so of the whole stack."""
        frozen = {
            "Type": "AWS::CloudFront::VpcOrigin",
            "Condition": "VpcOrigin",
            "Properties": {
                "VpcOriginEndpointConfig": {
                    "Name": {"Fn::Sub": "quarterdeck-${Environment}"},
                    "Arn": {"Ref": "LoadBalancer"},
                    "HTTPPort": 80,
                    "OriginProtocolPolicy": "http-only",
                },
                "Tags": [{"Key": "quarterdeck:environment", "Value": {"Ref": "Environment"}}],
            },
        }
        self.assertEqual(self.all["platform"]["Resources"]["CloudFrontVpcOrigin"], frozen)

    def test_every_region_has_a_prefix_list_or_asks_for_one(self):
        platform = self.all["platform"]
        lists = {region: entry["PrefixList"] for region, entry in platform["Mappings"]["OriginFacing"].items()}
        known = {region for region, prefix_list in lists.items() if prefix_list}
        self.assertEqual(len({lists[region] for region in known}), len(known), "each region has its own")
        for region in known:
            self.assertRegex(lists[region], "^pl-[0-9a-f]{8}$")
        # Another partition has no CloudFront, or one of its own.
        others = re.compile("^(cn|us-iso|eu-iso|eusc)")
        self.assertEqual({region for region in REGIONS if not others.match(region)} - set(lists), set())
        (assertion,) = platform["Rules"]["CloudFrontIsKnown"]["Assertions"]
        _, contains = assertion["Assert"]["Fn::Or"]
        self.assertEqual(set(contains["Fn::Contains"][0]), known)
        self.assertEqual(contains["Fn::Contains"][1], {"Ref": "AWS::Region"})

    def test_deletion_protection_is_one_switch(self):
        """What refuses its deletion does so by one parameter: it is switched on last, and off first."""
        for mode in ("vpc-origin", "public"):
            for protection, word in (("true", "ACTIVE"), ("false", "INACTIVE")):
                given = {"OriginMode": mode, "DeletionProtection": protection}
                resources = templates.resolve(self.all["platform"], given)["Resources"]
                attributes = {one["Key"]: one["Value"] for one in resources["LoadBalancer"]["Properties"]["LoadBalancerAttributes"]}
                self.assertEqual(attributes["deletion_protection.enabled"], {"Ref": "DeletionProtection"})
                self.assertEqual(resources["UserPool"]["Properties"]["DeletionProtection"], word)
                text = json.dumps({key: one for key, one in resources.items() if key not in ("LoadBalancer", "UserPool")})
                self.assertNotIn("DeletionProtection", text)

    def test_a_client_has_fewer_scopes_than_cognito_allows(self):
        clients = [one for one in self.all["server"]["Resources"].values() if one["Type"] == "AWS::Cognito::UserPoolClient"]
        self.assertEqual(len(clients), 2)
        for client in clients:
            self.assertLessEqual(len(client["Properties"]["AllowedOAuthScopes"]), 50)

    def test_a_server_of_ours_has_nothing_of_what_another_one_has(self):
        resources = templates.resolve(self.all["server"], {})["Resources"]
        self.assertNotIn("AppSecret", resources)
        task = resources["TaskDefinition"]["Properties"]
        self.assertNotIn("Volumes", task)
        (container,) = task["ContainerDefinitions"]
        self.assertEqual(
            set(container),
            {
                "Name", "Image", "Essential", "ReadonlyRootFilesystem", "User", "Privileged", "LinuxParameters",
                "StopTimeout", "VersionConsistency", "PortMappings", "HealthCheck", "Environment", "Secrets",
                "LogConfiguration",
            },
        )
        self.assertEqual(container["HealthCheck"]["Command"], ["CMD", "/server", "healthcheck"])
        self.assertEqual(len(container["Environment"]), 14)
        self.assertEqual([one["Name"] for one in container["Secrets"]], ["GANGWAY_ALLOWED_CLIENTS"])
        # A yes or no, not the text of a parameter.
        self.assertIs(container["ReadonlyRootFilesystem"], True)
        self.assertNotIn("ManagedPolicyArns", resources["TaskRole"]["Properties"])
        self.assertEqual(resources["Service"]["Properties"]["HealthCheckGracePeriodSeconds"], 15)
        values = templates.parameters(self.all["server"], {})
        self.assertEqual((values["User"], values["ReadOnlyRoot"], values["StartSeconds"]), ("65532:65532", "true", "10"))
        statements = resources["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        secrets = [one["Resource"] for one in statements if one["Action"] == "secretsmanager:GetSecretValue"]
        self.assertEqual(secrets, [{"Fn::GetAtt": ["MachineSecret", "Id"]}])

    def test_a_task_may_read_who_is_kept_out_and_nothing_else(self):
        arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/quarterdeck-prod-quarantine"
        resources = templates.resolve(self.all["server"], {"QuarantineTable": arn})["Resources"]
        (policy,) = resources["TaskRole"]["Properties"]["Policies"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        self.assertEqual(statement, {"Effect": "Allow", "Action": "dynamodb:Query", "Resource": {"Ref": "QuarantineTable"}})
        (server,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
        given = {one["Name"]: one["Value"] for one in server["Environment"]}
        self.assertEqual(given["GANGWAY_QUARANTINE_TABLE"], {"Ref": "QuarantineTable"})
        self.assertEqual(given["GANGWAY_QUARANTINE_ENDPOINT"], {"Ref": "QuarantineEndpoint"})
        # Where there is no table, as in an environment of an earlier version, its role allows nothing.
        resources = templates.resolve(self.all["server"], {})["Resources"]
        self.assertNotIn("Policies", resources["TaskRole"]["Properties"])

    def test_a_list_that_cannot_be_read_raises_an_alarm(self):
        arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/quarterdeck-prod-quarantine"
        resources = templates.resolve(self.all["server"], {"QuarantineTable": arn})["Resources"]
        alarm = resources["QuarantineAlarm"]["Properties"]
        # As gangway counts it.
        sources = templates.ROOT / "servers/gangway/src"
        namespace = re.search(r'NAMESPACE: &str = "(\w+)"', (sources / "metrics.rs").read_text())[1]
        self.assertEqual(alarm["Namespace"], namespace)
        self.assertIn(f'"Name": "{alarm["MetricName"]}", "Unit": "Seconds"', (sources / "quarantine/mod.rs").read_text())
        place = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
        self.assertEqual(place, {"environment": {"Ref": "Environment"}, "server": {"Ref": "ServerName"}})
        (server,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
        given = {one["Name"]: one["Value"] for one in server["Environment"]}
        self.assertEqual((given["GANGWAY_ENVIRONMENT"], given["GANGWAY_SERVER"]), (place["environment"], place["server"]))
        # A figure comes once a minute, and none means that all is well.
        self.assertEqual((alarm["Statistic"], alarm["Period"], alarm["TreatMissingData"]), ("Maximum", 60, "notBreaching"))
        self.assertEqual(alarm["AlarmActions"], [{"Ref": "AlarmTopicArn"}])
        self.assertNotIn("QuarantineAlarm", templates.resolve(self.all["server"], {})["Resources"])

    def test_what_has_ended_goes_by_itself(self):
        table = self.all["platform"]["Resources"]["Quarantine"]["Properties"]
        self.assertEqual(table["TimeToLiveSpecification"], {"AttributeName": "until", "Enabled": True})
        # As the servers and the console ask.
        self.assertEqual([one["AttributeName"] for one in table["KeySchema"]], ["list", "who"])
        # Nobody has to foresee how many tasks read it.
        self.assertEqual(table["BillingMode"], "PAY_PER_REQUEST")

    def test_the_root_can_be_written_where_the_operator_says_so(self):
        resources = templates.resolve(self.all["server"], {**templates.APP, "ReadOnlyRoot": "false"})["Resources"]
        *_, server = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
        self.assertIs(server["ReadonlyRootFilesystem"], False)

    def test_gangway_is_put_in_front_of_a_server_that_knows_nothing_of_it(self):
        resources = templates.resolve(self.all["server"], templates.APP)["Resources"]
        task = resources["TaskDefinition"]["Properties"]
        self.assertEqual([one["Name"] for one in task["Volumes"]], ["gangway", "writable-a", "writable-b"])
        install, server = task["ContainerDefinitions"]
        self.assertEqual((install["Name"], install["Essential"]), ("gangway_install", False))
        self.assertEqual(install["Command"], ["install", "/.gangway", "/.writable/a", "/.writable/b"])
        self.assertNotIn("Secrets", install)
        self.assertEqual(server["DependsOn"], [{"ContainerName": "gangway_install", "Condition": "SUCCESS"}])
        self.assertEqual(server["EntryPoint"], ["/.gangway/gangway", "run", "--"])
        self.assertEqual(server["Command"], {"Fn::Split": ["~|~", {"Ref": "AppCommand"}]})
        self.assertEqual(server["HealthCheck"]["Command"][1], "/.gangway/gangway")
        mounts = {one["SourceVolume"]: one["ReadOnly"] for one in server["MountPoints"]}
        self.assertEqual(mounts, {"gangway": True, "writable-a": False, "writable-b": False})
        self.assertEqual(len(server["Secrets"]), 3)
        names = {one["Name"] for one in server["Environment"]}
        self.assertLessEqual({"GANGWAY_APP", "GANGWAY_MAX_BODY_BYTES", "GANGWAY_MAX_REQUESTS", "GANGWAY_REQUEST_SECONDS"}, names)
        self.assertNotIn("GANGWAY_REQUESTS_PER_MINUTE", names)
        limited = templates.resolve(self.all["server"], templates.APP | {"RequestsPerMinute": "60"})["Resources"]
        environment = limited["TaskDefinition"]["Properties"]["ContainerDefinitions"][-1]["Environment"]
        self.assertIn({"Name": "GANGWAY_REQUESTS_PER_MINUTE", "Value": {"Ref": "RequestsPerMinute"}}, environment)
        self.assertEqual(resources["TaskRole"]["Properties"]["ManagedPolicyArns"], {"Ref": "TaskPolicyArns"})
        # Where the image has it in front already, nothing is put there.
        resources = templates.resolve(self.all["server"], templates.APP | {"GangwayImage": ""})["Resources"]
        (server,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
        self.assertNotIn("EntryPoint", server)
        self.assertNotIn("DependsOn", server)

    def test_a_task_reads_no_secret_but_those_that_are_named(self):
        resources = templates.resolve(self.all["server"], templates.APP)["Resources"]
        statements = resources["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        readable = [one["Resource"] for one in statements if one["Action"] == "secretsmanager:GetSecretValue"]
        expected = [
            {"Fn::GetAtt": ["MachineSecret", "Id"]}, {"Fn::GetAtt": ["AppSecret", "Id"]}, {"Ref": "RegistrySecretArn"}, {"Ref": "SecretArns"},
        ]
        self.assertEqual(readable, expected)
        keys = [one["Resource"] for one in statements if one["Action"] == "kms:Decrypt"]
        self.assertEqual(keys, [{"Ref": "SecretKeyArns"}])

    def test_zones_are_the_first_ones_names_or_ids(self):
        network = self.all["network"]
        first = {"Fn::Select": [2, {"Fn::GetAZs": ""}]}
        given = {"ZoneCount": 3, "ZoneA": "a", "ZoneB": "b", "ZoneC": "c"}
        for choice, zone, by_id in (
            ({"ZoneCount": 3}, first, None),
            (given, {"Ref": "ZoneC"}, None),
            (given | {"ZonesBy": "id"}, None, {"Ref": "ZoneC"}),
        ):
            resources = templates.resolve(network, choice)["Resources"]
            for subnet in ("PublicSubnetC", "PrivateSubnetC"):
                properties = resources[subnet]["Properties"]
                self.assertEqual((properties.get("AvailabilityZone"), properties.get("AvailabilityZoneId")), (zone, by_id))

    def test_body_rules_that_count_block_where_no_tool_is_called(self):
        """Each rule of a managed group that only counts on bodies leaves a label that blocks on other paths."""
        rules = {rule["Name"]: rule for rule in self.all["edge"]["Resources"]["WebAcl"]["Properties"]["Rules"]}
        overrides = [one["Name"] for name in ("common", "known-bad-inputs")
                     for one in rules[name]["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]]
        labels = [one["LabelMatchStatement"]["Key"].rsplit(":")[-1] for one in
                  rules["common-body"]["Statement"]["AndStatement"]["Statements"][1]["OrStatement"]["Statements"]]
        bodies = {name.replace("_BODY", "_Body") for name in overrides if name.endswith("_BODY")}
        self.assertEqual(set(labels), bodies)
        self.assertGreater(rules["common-body"]["Priority"], max(rules[name]["Priority"] for name in ("common", "known-bad-inputs")))

    def test_what_has_a_name_is_never_replaced(self):
        """CloudFormation makes the new one first, under a name that is taken: the update fails, and all with it."""
        checked = set()
        for name, template in self.all.items():
            conditions = template.get("Conditions", {})
            for key, resource in template["Resources"].items():
                properties = resource.get("Properties", {})
                if resource["Type"] in ALIKE or not NAMING & set(properties):
                    continue
                schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
                created = {path.split("/")[2] for path in schema.get("createOnlyProperties", [])}
                for field in created & set(properties):
                    parameters = reads(properties[field], conditions) & set(template["Parameters"])
                    self.assertLessEqual(parameters, CHOSEN_ONCE, f"{name}: {key}.{field} can change")
                    checked.add((key, field))
        self.assertLessEqual({("LoadBalancer", "Scheme"), ("UserPoolDomain", "Domain"), ("Service", "Cluster")}, checked)

    def test_names_never_collide(self):
        """Two environments of which one's name begins like the other's, and servers with every awkward name."""
        owners = {}
        for environment in ("prod", "prod-eu"):
            parts = [("edge", "edge"), ("network", "network"), ("platform", "platform")]
            parts += [(server, "server") for server in ("time", "weather", "load-balancer", "alarms", "origin-header", "flow")]
            for part, name in parts:
                values = {"Environment": environment, "ServerName": part, "MinCount": 1, "MaxCount": 2, "OriginMode": "public"}
                for kind, physical in names(self.all[name], values):
                    scope = environment if kind in WITHIN else ""
                    owner = owners.setdefault((kind, scope, physical), (environment, part))
                    self.assertEqual(owner, (environment, part), f"two stacks name a {kind} {physical!r}")
        kinds = {kind for kind, _, _ in owners}
        self.assertLessEqual({"AWS::ECS::Cluster", "AWS::SecretsManager::Secret", "AWS::CloudFront::ResponseHeadersPolicy"}, kinds)


if __name__ == "__main__":
    unittest.main()
