"""The rights that CloudFormation needs are those of the templates' resources, as its schemas say."""

import unittest

import handlers


class Rights(unittest.TestCase):
    def test_the_table_is_that_of_the_schemas(self):
        self.assertEqual(
            handlers.TABLE.read_text(), handlers.table(), "run `python3 tests/templates/handlers.py --write`"
        )

    def test_every_pattern_leaves_something_out(self):
        every = handlers.PROVIDER_SCHEMA_MANAGER.get_resource_schema
        named = {
            action
            for kind in handlers.types()
            for handler in every("us-east-1", kind).schema.get("handlers", {}).values()
            for action in handler.get("permissions", [])
        }
        idle = [pattern for pattern in handlers.UNUSED if not any(handlers.matches(name, [pattern]) for name in named)]
        self.assertEqual(idle, [])

    def test_what_the_templates_need_is_there(self):
        """The reasons above are not taken too far: a few actions without which a deploy cannot work."""
        needed = {
            "AWS::CloudFront::VpcOrigin": {"cloudfront:CreateVpcOrigin", "iam:CreateServiceLinkedRole"},
            "AWS::Cognito::UserPoolClient": {"cognito-idp:CreateUserPoolClient"},
            "AWS::EC2::SecurityGroup": {"ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"},
            "AWS::ECS::Service": {"ecs:CreateService", "iam:PassRole"},
            "AWS::ElasticLoadBalancingV2::LoadBalancer": {"elasticloadbalancing:ModifyLoadBalancerAttributes"},
            "AWS::IAM::Role": {"iam:CreateRole", "iam:PutRolePolicy", "iam:TagRole"},
            "AWS::S3::Bucket": {
                "s3:CreateBucket", "s3:PutBucketOwnershipControls", "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
            },
            "AWS::SecretsManager::Secret": {"secretsmanager:CreateSecret", "secretsmanager:TagResource"},
            "AWS::WAFv2::LoggingConfiguration": {"wafv2:PutLoggingConfiguration", "logs:CreateLogDelivery"},
        }
        for kind, actions in needed.items():
            self.assertLessEqual(actions, handlers.actions(kind), kind)


if __name__ == "__main__":
    unittest.main()
