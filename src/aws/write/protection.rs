//! Deletion protection of the resources of a stack that takes no change any more. CloudFormation neither
//! updates such a stack nor deletes what is protected, so the resources themselves are asked.

use aws_sdk_cognitoidentityprovider::types::{DeletionProtectionType, UserPoolType};
use aws_sdk_elasticloadbalancingv2::types::LoadBalancerAttribute;

use crate::aws::AwsCloud;
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::stack::StackRef;

const POOL: &str = "cognito-idp:DescribeUserPool";
const BALANCER: &str = "elasticloadbalancing:DescribeLoadBalancerAttributes";
/// As Elastic Load Balancing calls it ("LoadBalancerAttribute", its API reference).
const ENABLED: &str = "deletion_protection.enabled";

/// A resource whose protection is on.
pub(super) enum Protected {
    /// By its ARN.
    LoadBalancer(String),
    /// With its settings, which a change of one of them must repeat.
    UserPool(Box<UserPoolType>),
}

impl Protected {
    /// How the operator knows it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::LoadBalancer(arn) => {
                let name = arn.split('/').rev().nth(1).unwrap_or(arn);
                format!("load balancer {name}")
            }
            Self::UserPool(pool) => format!("user pool {}", pool.id().unwrap_or_default()),
        }
    }
}

impl AwsCloud {
    /// What a stack still has that is protected. What is gone by now is not protected.
    pub(super) async fn protected_in(&self, stack: &StackRef) -> CloudResult<Vec<Protected>> {
        let mut found = Vec::new();
        for resource in self.read_stack_detail(stack).await?.resources {
            let Some(id) = resource.physical_id.filter(|_| !resource.status.absent()) else { continue };
            found.extend(match resource.kind.as_str() {
                "AWS::ElasticLoadBalancingV2::LoadBalancer" => self.protected_balancer(id).await?,
                "AWS::Cognito::UserPool" => self.protected_pool(&id).await?,
                _ => None,
            });
        }
        Ok(found)
    }

    async fn protected_balancer(&self, arn: String) -> CloudResult<Option<Protected>> {
        let call = self.read.elb.describe_load_balancer_attributes().load_balancer_arn(&arn);
        let Some(answer) = there(call.send().await.map_err(self.failed(BALANCER)))? else { return Ok(None) };
        let on = |attribute: &&LoadBalancerAttribute| attribute.key() == Some(ENABLED);
        let on = answer.attributes().iter().find(on).and_then(|found| found.value()) == Some("true");
        Ok(on.then_some(Protected::LoadBalancer(arn)))
    }

    async fn protected_pool(&self, id: &str) -> CloudResult<Option<Protected>> {
        let call = self.read.cognito.describe_user_pool().user_pool_id(id);
        let answer = there(call.send().await.map_err(self.failed(POOL)))?;
        let pool = answer.and_then(|answer| answer.user_pool);
        let pool = pool.filter(|pool| pool.deletion_protection() == Some(&DeletionProtectionType::Active));
        Ok(pool.map(|pool| Protected::UserPool(Box::new(pool))))
    }

    /// Switches the protection of a resource off.
    pub(super) async fn unprotect(&self, protected: Protected) -> CloudResult<()> {
        match protected {
            Protected::LoadBalancer(arn) => {
                let off = LoadBalancerAttribute::builder().key(ENABLED).value("false").build();
                let call = self.write.elb.modify_load_balancer_attributes().load_balancer_arn(arn).attributes(off);
                let sent = call.send().await.map(drop);
                sent.map_err(self.failed("elasticloadbalancing:ModifyLoadBalancerAttributes"))
            }
            Protected::UserPool(pool) => self.unprotect_pool(*pool).await,
        }
    }

    /// UpdateUserPool sets to its default what it is not given (Cognito's API reference), so all of it is
    /// repeated, but for the second factor: the call refuses one without SMS, and people who could use the pool
    /// have lost its domain and its clients by now.
    async fn unprotect_pool(&self, pool: UserPoolType) -> CloudResult<()> {
        let temporary = pool.policies().and_then(|all| all.password_policy());
        let mut invites = pool.admin_create_user_config.clone();
        if let Some(invites) = invites.as_mut().filter(|_| temporary.is_some()) {
            // The older name of a day count of the password policy; both together are refused.
            invites.unused_account_validity_days = 0;
        }
        let call = self.write.cognito.update_user_pool().set_user_pool_id(pool.id);
        let call = call
            .deletion_protection(DeletionProtectionType::Inactive)
            .set_admin_create_user_config(invites)
            .set_policies(pool.policies)
            .set_lambda_config(pool.lambda_config)
            .set_auto_verified_attributes(pool.auto_verified_attributes)
            .set_sms_verification_message(pool.sms_verification_message)
            .set_email_verification_message(pool.email_verification_message)
            .set_email_verification_subject(pool.email_verification_subject)
            .set_verification_message_template(pool.verification_message_template)
            .set_sms_authentication_message(pool.sms_authentication_message)
            .set_user_attribute_update_settings(pool.user_attribute_update_settings)
            .set_device_configuration(pool.device_configuration)
            .set_email_configuration(pool.email_configuration)
            .set_sms_configuration(pool.sms_configuration)
            .set_user_pool_tags(pool.user_pool_tags)
            .set_user_pool_add_ons(pool.user_pool_add_ons)
            .set_account_recovery_setting(pool.account_recovery_setting)
            .set_pool_name(pool.name)
            .set_user_pool_tier(pool.user_pool_tier)
            .set_key_configuration(pool.key_configuration)
            .set_issuer_configuration(pool.issuer_configuration);
        call.send().await.map(drop).map_err(self.failed("cognito-idp:UpdateUserPool"))
    }
}

/// What was read, or that it is gone.
fn there<T>(read: CloudResult<T>) -> CloudResult<Option<T>> {
    match read {
        Err(CloudError { kind: ErrorKind::NotFound, .. }) => Ok(None),
        other => other.map(Some),
    }
}
