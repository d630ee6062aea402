//! DynamoDB with the table of the callers that are kept out: conditional writes as its API reference says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::State;

/// The items, by their sort key.
pub type Items = BTreeMap<String, Value>;

/// Items in one answer.
const PAGE: usize = 400;

impl State {
    pub(super) fn quarantine_call(&mut self, call: &str, body: &Value, operator: &str) -> Option<Reply> {
        if !matches!(call, "Query" | "PutItem" | "DeleteItem") {
            return None;
        }
        if call == "Query" {
            assert_eq!(body["ConsistentRead"], true, "{body}");
            let after = body["ExclusiveStartKey"]["who"]["S"].as_str().unwrap_or_default();
            let rest = self.quarantine.iter().filter(|(who, _)| who.as_str() > after);
            let page: Vec<(&String, &Value)> = rest.take(PAGE + 1).collect();
            let items: Vec<&Value> = page.iter().take(PAGE).map(|(_, item)| *item).collect();
            let mut answer = json!({ "Items": items, "Count": items.len() });
            if page.len() > PAGE {
                answer["LastEvaluatedKey"] = json!({ "list": { "S": "quarantine" }, "who": { "S": page[PAGE - 1].0 } });
            }
            return Some(Reply::json(200, answer));
        }
        let item = if call == "PutItem" { &body["Item"] } else { &body["Key"] };
        assert_eq!(item["list"]["S"], "quarantine", "{body}");
        let who = item["who"]["S"].as_str()?.to_owned();
        let found = self.quarantine.get(&who);
        let holds = match body["ConditionExpression"].as_str() {
            Some("attribute_not_exists(who)") => found.is_none(),
            Some("#u = :seen") => {
                found.is_some_and(|found| found["until"] == body["ExpressionAttributeValues"][":seen"])
            }
            other => panic!("nothing is written without a condition: {other:?}"),
        };
        if !holds {
            return Some(Reply::error(400, "ConditionalCheckFailedException", "The conditional request failed"));
        }
        match call {
            "PutItem" => drop(self.quarantine.insert(who.clone(), item.clone())),
            _ => drop(self.quarantine.remove(&who)),
        }
        self.wrote(operator, format!("{call} {who}"));
        Some(Reply::json(200, json!({})))
    }
}
