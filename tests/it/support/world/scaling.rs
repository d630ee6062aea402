//! Application Auto Scaling: bounds of the services, which hold the desired count between them.

use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::State;

/// Targets on one page.
const PAGE: usize = 50;

impl State {
    pub(super) fn scaling_call(&mut self, call: &str, body: &Value, operator: &str) -> Option<Reply> {
        match call {
            "DescribeScalableTargets" => {
                let start = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0_usize);
                let all: Vec<Value> = self.bounds.iter().map(|(id, bounds)| target(id, *bounds)).collect();
                let end = (start + PAGE).min(all.len());
                let mut answer = json!({ "ScalableTargets": all[start.min(end)..end] });
                if end < all.len() {
                    answer["NextToken"] = json!(end.to_string());
                }
                Some(Reply::json(200, answer))
            }
            "RegisterScalableTarget" => {
                let count = |key: &str| body[key].as_u64().and_then(|count| u32::try_from(count).ok());
                let id = body["ResourceId"].as_str().unwrap_or_default().to_owned();
                let before = self.bounds.get(&id).copied().unwrap_or_default();
                let bounds = (count("MinCapacity").unwrap_or(before.0), count("MaxCapacity").unwrap_or(before.1));
                if bounds.0 > bounds.1 {
                    let why = "Maximum capacity cannot be less than minimum capacity";
                    return Some(Reply::error(400, "ValidationException", why));
                }
                self.wrote(operator, format!("bounds of {id} to {}..{}", bounds.0, bounds.1));
                self.bounds.insert(id, bounds);
                Some(Reply::json(200, json!({})))
            }
            _ => None,
        }
    }

    /// A count outside the bounds is moved into them.
    pub(super) fn tick_scaling(&mut self, name: &str) {
        let bounds = self.bounds.get(&format!("service/quarterdeck-prod/{name}")).copied();
        if let (Some((min, max)), Some(service)) = (bounds, self.services.get_mut(name)) {
            service.desired = service.desired.clamp(min, max.max(min));
        }
    }
}

fn target(id: &str, (min, max): (u32, u32)) -> Value {
    json!({ "ServiceNamespace": "ecs", "ResourceId": id, "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": min, "MaxCapacity": max, "RoleARN": "arn:aws:iam::1:role/r", "CreationTime": 1_600_000_000 })
}
