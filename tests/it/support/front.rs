//! An endpoint before a [`World`], which answers what the world lacks, spoils the answers of one call, and knows
//! which calls came.

use std::sync::{Arc, Mutex, OnceLock};

use serde_json::json;

use super::scripted::{Reply, Request, Scripted};
use super::world::World;

/// An answer that is given instead of the world's.
#[derive(Debug, Clone)]
pub struct Spoilt {
    /// Of this call; `/mcp` and `/metadata` of any server.
    pub call: String,
    /// After so many answers that are right.
    pub after: usize,
    pub reply: Reply,
}

/// The endpoint.
pub struct Front {
    pub server: Scripted,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Front {
    pub async fn start(world: &World, spoilt: Option<Spoilt>) -> Self {
        let (world, url): (World, Arc<OnceLock<String>>) = (world.clone(), Arc::default());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (own, log) = (url.clone(), seen.clone());
        let server = Scripted::start(move |request| {
            let call = name(request);
            let before = {
                let mut log = log.lock().unwrap();
                log.push(call.clone());
                log.iter().filter(|one| **one == call).count() - 1
            };
            match &spoilt {
                Some(spoilt) if spoilt.call == call && before >= spoilt.after => spoilt.reply.clone(),
                // What was published is known to the world.
                _ => canned(&call).filter(|_| !request.body.contains("quarterdeck/prod/files")).unwrap_or_else(|| {
                    let url = own.get().map(String::as_str).unwrap_or_default();
                    balanced(world.state().answer(request, "alice", url))
                }),
            }
        })
        .await;
        url.set(server.url.clone()).expect("it is set once");
        Self { server, seen }
    }

    /// The calls that came, each once, by the names that AWS gives its operations.
    pub fn seen(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.sort();
        seen.dedup();
        seen
    }
}

/// The same with a target group for each service.
fn balanced(reply: Reply) -> Reply {
    let Reply::Answer(status, body) = &reply else { return reply };
    let Ok(mut document) = serde_json::from_str::<serde_json::Value>(body) else { return reply };
    let Some(services) = document["services"].as_array_mut() else { return reply };
    for service in services {
        service["loadBalancers"] =
            json!([{ "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/t/1" }]);
    }
    Reply::json(*status, document)
}

fn name(request: &Request) -> String {
    match &request.call {
        path if path.starts_with("/.well-known/") => "/metadata".to_owned(),
        path if path.ends_with("/mcp") => "/mcp".to_owned(),
        call => call.clone(),
    }
}

/// What the world does not know.
fn canned(call: &str) -> Option<Reply> {
    let group = json!({ "logGroupName": "/quarterdeck/prod/time", "arn": "arn:aws:logs:eu-central-1:1:log-group:/quarterdeck/prod/time:*" });
    let task = "arn:aws:ecs:eu-central-1:123456789012:task/quarterdeck-prod/0123456789abcdef0123456789abcdef";
    Some(match call {
        "DescribeAlarms" => Reply::Cbor(
            200,
            json!({ "MetricAlarms": [{ "AlarmName": "quarterdeck-prod-time-5xx",
            "StateValue": "OK", "Dimensions": [{ "Name": "LoadBalancer", "Value": "app/prod/1" },
            { "Name": "TargetGroup", "Value": "targetgroup/time/1" }] }] }),
        ),
        "DescribeAlarmHistory" => Reply::Cbor(
            200,
            json!({ "AlarmHistoryItems": [{ "HistoryItemType": "StateUpdate", "Timestamp": { "@time": 1_800_000_000 },
            "HistoryData": r#"{"oldState":{"stateValue":"OK"},"newState":{"stateValue":"ALARM"}}"# }] }),
        ),
        "GetMetricData" => Reply::Cbor(
            200,
            json!({ "MetricDataResults": [
            { "Id": "s0", "StatusCode": "Complete", "Timestamps": [{ "@time": 1_800_000_000 }], "Values": [7.5] }] }),
        ),
        "DescribeLogGroups" => Reply::json(200, json!({ "logGroups": [group] })),
        "FilterLogEvents" => Reply::json(200, json!({ "events": [], "searchedLogStreams": [] })),
        "StartQuery" => Reply::json(200, json!({ "queryId": "q-1" })),
        "GetQueryResults" => Reply::json(200, json!({ "status": "Complete", "results": [], "statistics": {} })),
        "StopQuery" => Reply::json(200, json!({ "success": true })),
        "ListTasks" => Reply::json(200, json!({ "taskArns": [task] })),
        "DescribeTasks" => Reply::json(
            200,
            json!({ "tasks": [{ "taskArn": task, "group": "service:time", "lastStatus": "RUNNING", "desiredStatus": "RUNNING" }] }),
        ),
        "ListTaskDefinitions" => Reply::json(200, json!({ "taskDefinitionArns": [] })),
        "DescribeScalableTargets" => Reply::json(
            200,
            json!({ "ScalableTargets": [{ "ServiceNamespace": "ecs", "ResourceId": "service/quarterdeck-prod/time",
                "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 6, "CreationTime": 1.0 }] }),
        ),
        "DescribeScalingActivities" => Reply::json(
            200,
            json!({ "ScalingActivities": [{ "ActivityId": "a-1", "ServiceNamespace": "ecs",
                "ResourceId": "service/quarterdeck-prod/time", "ScalableDimension": "ecs:service:DesiredCount",
                "Description": "Setting desired count to 3.", "Cause": "alarm", "StartTime": 1_800_000_000.5,
                "StatusCode": "Successful" }] }),
        ),
        "BatchGetImage" => {
            let manifest = json!({ "config": { "digest": "sha256:1" } }).to_string();
            let image = json!({ "imageId": { "imageDigest": "sha256:2" }, "imageManifest": manifest });
            Reply::json(200, json!({ "images": [image] }))
        }
        // Nobody listens there.
        "GetDownloadUrlForLayer" => Reply::json(200, json!({ "downloadUrl": "http://127.0.0.1:1/" })),
        "StopTask" | "RegisterScalableTarget" => Reply::json(200, json!({})),
        "DescribeTargetHealth" => Reply::Answer(
            200,
            "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>\
             <member><Target><Id>10.0.0.1</Id></Target><TargetHealth><State>healthy</State></TargetHealth></member>\
             <member><Target><Id>10.0.0.2</Id></Target><TargetHealth><State>healthy</State></TargetHealth></member>\
             </TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>"
                .into(),
        ),
        _ => return None,
    })
}
