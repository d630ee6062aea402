"""What CloudFormation needs at AWS for the templates' resources: `src/core/rights/handlers.rs` is made from it.

The schemas of CloudFormation say which actions a resource's handlers may call, whatever its properties are. What
no property in the templates makes them call is left out here, each with its reason. What a handler reads stays: it
reads whatever there may be.

    python3 tests/templates/handlers.py --write
"""

import fnmatch
import sys
from pathlib import Path

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

import templates

TABLE = templates.ROOT / "src/core/rights/handlers.rs"

# Patterns of actions that the handlers never come to with these templates.
UNUSED = {
    "application-autoscaling:*ScheduledAction*": "no scheduled scaling",
    "autoscaling:*": "no EC2 Auto Scaling",
    "cloudfront:*ConnectionGroup": "no multi-tenant distribution",
    "cloudfront:UpdateDistributionWithStagingConfig": "no staging distribution",
    "cloudfront:updateDistribution": "no domain of the operator's own for sign-in",
    "cloudwatch:GetMetricData": "no predictive scaling",
    "cognito-idp:AddCustomAttributes": "no attributes of our own",
    "ec2:*AddressTransfer": "no transfer of addresses",
    "ec2:*NatGatewayAddress": "one address for each NAT gateway",
    "ec2:*SubnetCidrBlock": "no IPv6",
    "ec2:*VpcEncryptionControl*": "no encryption control",
    "ec2:*VpnGateway*": "no VPN",
    "ec2:AssociateAddress": "addresses belong to NAT gateways",
    "ec2:DescribeInstances": "no instances",
    "ec2:DescribeIpamPools": "no IPAM",
    "ec2:ModifyVpcTenancy": "the tenancy stays the default",
    "ecs:PutAccountSetting*": "no account settings",
    "elasticloadbalancing:*CapacityReservation": "no reserved capacity",
    "elasticloadbalancing:ModifyIpPools": "no IPAM",
    "elasticloadbalancing:*gisterTargets": "ECS registers the targets",
    "firehose:*": "nothing is delivered to Firehose",
    "iam:*PermissionsBoundary": "no permissions boundary",
    "iam:*tachRolePolicy": "roles have inline policies alone",
    "iam:DescribeOrganization": "no such action",
    "kms:ReEncrypt*": "no data is encrypted anew",
    "kms:GenerateDataKeyWithoutPlaintext": "no key of one's own for the user pool",
    "lambda:*": "no Lambda functions",
    "logs:*BearerTokenAuthentication": "no endpoint for bearer tokens",
    "logs:*DataProtectionPolicy": "nothing in a log is masked",
    "logs:*IndexPolic*": "no indexed fields",
    "logs:PutLogGroupDeletionProtection": "log groups have no deletion protection",
    "payments:*": "no payments",
    "s3:*Abac": "no access by tags",
    "s3:*AccelerateConfiguration": "no acceleration",
    "s3:*Acl": "no access lists",
    "s3:*Analytics*": "no analytics",
    "s3:*Annotation*": "no metadata tables",
    "s3:*C[Oo][Rr][Ss]": "no CORS",
    "s3:*IntelligentTiering*": "no tiers",
    "s3:*InventoryConfiguration": "no inventory",
    "s3:*Metadata*": "no metadata tables",
    "s3:*Metrics*": "no request metrics",
    "s3:*Website": "no website",
    "s3:PutBucketLogging": "no access log",
    "s3:PutBucketNotification": "no notifications",
    "s3:*PutReplication*": "no replication",
    "s3:*BucketReplication": "no replication",
    "s3:PutReplicationConfiguration": "no replication",
    "s3:Put*ObjectLock*": "no object lock",
    "s3:DeleteBucketEncryption": "it stays encrypted",
    "s3:DeleteBucketLifecycle": "it keeps its rules",
    "s3:DeleteObject": "what is in the bucket stays",
    "s3:REST.PUT.OBJECT": "no such action",
    "s3tables:*": "no tables",
    "secretsmanager:*Replicat*": "no replicas",
    "secretsmanager:RemoveRegionsFromReplication": "no replicas",
    "sns:*DataProtectionPolicy": "nothing in a message is masked",
    "sts:AssumeRole": "the handler's own",
    "vpc-lattice:*": "no Lattice",
    "vpce:*": "no endpoint in another region",
}
# Actions that only read.
READS = ("*:Get*", "*:Describe*", "*:List*")
# What the schemas leave out.
MISSING = {
    "AWS::CloudFront::Distribution": {"wafv2:GetWebACL"},
    "AWS::KMS::Key": {"kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"},
}
# Actions for which AWS knows no resource (Service Authorization Reference).
NO_RESOURCE = {
    "application-autoscaling:Describe*", "cloudfront:CreateVpcOrigin", "cloudfront:CreateDistributionWithTags",
    "cognito-idp:CreateUserPool", "cognito-idp:DescribeUserPoolDomain", "ec2:Describe*",
    "ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition",
    "elasticloadbalancing:Describe*", "kms:CreateKey", "kms:ListAliases", "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery", "logs:DeleteResourcePolicy", "logs:DescribeIndexPolicies", "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:PutResourcePolicy", "secretsmanager:GetRandomPassword", "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes", "sns:Unsubscribe",
}
# Knows a resource, though the pattern says otherwise.
WITH_RESOURCE = {"ec2:DescribeVpcAttribute"}


def types() -> list[str]:
    """The types of resources in the templates."""
    found = set()
    for name in templates.NAMES:
        found |= {resource["Type"] for resource in templates.load(templates.path(name))["Resources"].values()}
    return sorted(found)


def matches(action: str, patterns) -> bool:
    """Whether one of the patterns is that of the action."""
    return any(fnmatch.fnmatchcase(action, pattern) for pattern in patterns)


def actions(kind: str) -> set[str]:
    """What the handlers of a type call."""
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema.get("handlers", {})
    named = {action for name, handler in handlers.items() if name != "list" for action in handler.get("permissions", [])}
    whole = {pattern for pattern in UNUSED if pattern.endswith(":*")}
    read = {action for action in handlers.get("read", {}).get("permissions", []) if matches(action, READS)}
    used = {action for action in named if not matches(action, whole if action in read else UNUSED)}
    return used | MISSING.get(kind, set())


def everywhere(action: str) -> bool:
    """Whether AWS knows no resource for it."""
    return action not in WITH_RESOURCE and matches(action, NO_RESOURCE)


def table() -> str:
    """The table as Rust."""
    rows = []
    for kind in types():
        names = "\n".join(f'            "{action}",' for action in sorted(actions(kind)))
        rows.append(f'    Handler {{\n        kind: "{kind}",\n        actions: &[\n{names}\n        ],\n    }},\n')
    found = sorted({action for kind in types() for action in actions(kind) if everywhere(action)})
    alone = "\n".join(f'    "{action}",' for action in found)
    return f"""//! What CloudFormation calls for the resources of the templates. Made by `tests/templates/handlers.py` from the
//! schemas of CloudFormation, with which a test compares it.

/// The actions that the handlers of a type of resource need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handler {{
    pub kind: &'static str,
    pub actions: &'static [&'static str],
}}

#[rustfmt::skip]
pub const HANDLERS: &[Handler] = &[
{"".join(rows)}];

/// Actions for which AWS knows no resource.
#[rustfmt::skip]
pub const NO_RESOURCE: &[&str] = &[
{alone}
];
"""


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        Path(TABLE).write_text(table())
    else:
        print(table(), end="")
