//! Calls of the emulator on the loopback, as bytes: this room knows no AWS SDK, and no other endpoint.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::Broken;
use crate::core::environment::names;
use crate::local::error::LocalError;

const LIMIT: Duration = Duration::from_secs(30);

/// The emulator.
pub(super) struct Emulated {
    http: reqwest::Client,
    base: String,
    region: String,
}

impl Emulated {
    /// The one that listens on this port of the loopback. Calls nobody.
    pub fn at(port: u16, region: &str) -> Result<Self, LocalError> {
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build();
        let http = http.map_err(|error| refused("the emulator", error.to_string()))?;
        Ok(Self { http, base: format!("http://127.0.0.1:{port}"), region: region.to_owned() })
    }

    /// Carries out a call of ECS.
    pub async fn ecs(&self, call: &str, body: &Value) -> Result<Value, LocalError> {
        self.json("ecs", "AmazonEC2ContainerServiceV20141113", call, body).await
    }

    /// The same, where it is no failure that what it names is gone.
    pub async fn unless_gone(&self, call: &str, body: &Value) -> Result<(), LocalError> {
        match self.ecs(call, body).await {
            Err(LocalError::Emulated { reason, .. })
                if ["NotFoundException", "Unable to"].iter().any(|gone| reason.contains(gone)) =>
            {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Carries out a call of Cognito's user pools.
    pub async fn cognito(&self, call: &str, body: &Value) -> Result<Value, LocalError> {
        self.json("cognito-idp", "AWSCognitoIdentityProviderService", call, body).await
    }

    /// Asks the token endpoint for a token of this client.
    pub async fn token(&self, id: &str, secret: &str, scope: &str) -> Result<Value, LocalError> {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let request = self.http.post(format!("{}/oauth2/token", self.base)).basic_auth(id, Some(secret)).form(&form);
        answer("the token endpoint", request).await
    }

    async fn json(&self, service: &str, target: &str, call: &str, body: &Value) -> Result<Value, LocalError> {
        let request = self.http.post(&self.base).header("X-Amz-Target", format!("{target}.{call}"));
        let request = request.header("Content-Type", "application/x-amz-json-1.1").body(body.to_string());
        answer(call, self.signed(service, request)).await
    }

    /// The emulator takes the region from the signature, and checks no signature.
    fn signed(&self, service: &str, request: RequestBuilder) -> RequestBuilder {
        let scope = format!("test/20260101/{}/{service}/aws4_request", self.region);
        let header = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        request.header("Authorization", header)
    }

    /// The task definition of a service.
    pub async fn service_definition(&self, cluster: &str, server: &str) -> Result<Value, LocalError> {
        let asked = json!({ "cluster": cluster, "services": [server] });
        let found = self.ecs("DescribeServices", &asked).await?;
        let Some(definition) = found["services"][0]["taskDefinition"].as_str() else {
            return Err(refused("DescribeServices", format!("there is no service {server} in cluster {cluster}")));
        };
        let found = self.ecs("DescribeTaskDefinition", &json!({ "taskDefinition": definition })).await?;
        Ok(found["taskDefinition"].clone())
    }

    /// Registers a task definition; its ARN.
    pub async fn register(&self, draft: &Value) -> Result<String, LocalError> {
        let made = self.ecs("RegisterTaskDefinition", draft).await?;
        let arn = made["taskDefinition"]["taskDefinitionArn"].as_str();
        arn.map(str::to_owned).ok_or_else(|| refused("RegisterTaskDefinition", "it says no ARN".to_owned()))
    }

    /// Puts a broken task definition in place.
    pub async fn redefine(&self, broken: &Broken) -> Result<(), LocalError> {
        let cluster = names::cluster(&broken.environment);
        let update = json!({ "cluster": cluster, "service": broken.server, "taskDefinition": broken.broken });
        self.ecs("UpdateService", &update).await.map(drop)
    }

    /// Makes a stack whose creation fails, so that only its deletion helps.
    pub async fn create_stuck(&self, stack: &str, environment: &str) -> Result<(), LocalError> {
        // Who owns a stack, its parameter says. A policy needs a role that exists.
        let template = json!({
            "Parameters": { "Environment": { "Type": "String" } },
            "Resources": { "Policy": { "Type": "AWS::IAM::Policy", "Properties": {
                "PolicyName": "gameday", "Roles": ["quarterdeck-no-such-role"],
                "PolicyDocument": { "Version": "2012-10-17", "Statement": [] } } } },
        });
        let form = [
            ("Action", "CreateStack"),
            ("Version", "2010-05-15"),
            ("StackName", stack),
            ("TemplateBody", &template.to_string()),
            ("Parameters.member.1.ParameterKey", "Environment"),
            ("Parameters.member.1.ParameterValue", environment),
        ];
        self.form("CreateStack", &form).await
    }

    /// Deletes a stack. That there is none is no error.
    pub async fn delete_stack(&self, stack: &str) -> Result<(), LocalError> {
        let form = [("Action", "DeleteStack"), ("Version", "2010-05-15"), ("StackName", stack)];
        self.form("DeleteStack", &form).await
    }

    async fn form(&self, call: &str, form: &[(&str, &str)]) -> Result<(), LocalError> {
        let request = self.signed("cloudformation", self.http.post(&self.base).form(form));
        let sent = request.send().await.map_err(|error| refused(call, error.to_string()))?;
        let (status, text) = (sent.status(), sent.text().await.unwrap_or_default());
        if status.is_success() { Ok(()) } else { Err(refused(call, format!("{status}: {text}"))) }
    }
}

async fn answer(call: &str, request: RequestBuilder) -> Result<Value, LocalError> {
    let sent = request.send().await.map_err(|error| refused(call, error.to_string()))?;
    let status = sent.status();
    let text = sent.text().await.map_err(|error| refused(call, error.to_string()))?;
    if !status.is_success() {
        return Err(refused(call, format!("{status}: {text}")));
    }
    serde_json::from_str(&text).map_err(|error| refused(call, error.to_string()))
}

fn refused(call: &str, reason: String) -> LocalError {
    LocalError::Emulated { call: call.to_owned(), reason }
}
