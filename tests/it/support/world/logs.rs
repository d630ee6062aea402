//! CloudWatch Logs: what the servers have written, where a test says that they have.

use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::{ENVIRONMENT, State};

/// The log group of a server.
pub(super) fn group(server: &str) -> String {
    format!("/quarterdeck/{ENVIRONMENT}/{server}")
}

impl State {
    pub(super) fn logs_call(&self, call: &str, body: &Value) -> Option<Reply> {
        if call != "FilterLogEvents" {
            return None;
        }
        let asked = ["logGroupName", "logGroupIdentifier"].iter().find_map(|key| body[*key].as_str());
        let asked = asked.unwrap_or_default().rsplit(':').next().unwrap_or_default();
        let Some((server, lines)) = self.lines.iter().find(|(server, _)| group(server) == asked) else {
            return Some(Reply::error(400, "ResourceNotFoundException", "The specified log group does not exist."));
        };
        if self.faults.denied_logs.contains(server) {
            return Some(Reply::error(400, "AccessDeniedException", "not authorized to perform: logs:FilterLogEvents"));
        }
        let within = |at: i64| {
            let bound = |key: &str, none: i64| body[key].as_i64().unwrap_or(none);
            at >= bound("startTime", i64::MIN) && at <= bound("endTime", i64::MAX)
        };
        let event = |(index, (at, line)): (usize, &(i64, Value))| {
            json!({ "eventId": index.to_string(), "timestamp": at, "ingestionTime": at,
                "logStreamName": format!("{server}/{server}/aaaa0000"), "message": line.to_string() })
        };
        let events = lines.iter().enumerate().filter(|(_, (at, _))| within(*at)).map(event).collect::<Vec<_>>();
        Some(Reply::json(200, json!({ "events": events })))
    }
}
