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
        let prefix = body["logStreamNamePrefix"].as_str().unwrap_or_default();
        let of = |task: &str, at: i64, message: String| {
            let stream = format!("{server}/{server}/{task}");
            (within(at) && stream.starts_with(prefix)).then_some((at, stream, message))
        };
        let stopped = self.services.get(server).into_iter().flat_map(|service| &service.stopped);
        let last = stopped.flat_map(|task| task.lines().map(|(at, line)| (task.id.as_str(), at, line.to_owned())));
        let lines = lines.iter().map(|(at, line)| ("aaaa0000", *at, line.to_string()));
        let mut all: Vec<_> = lines.chain(last).filter_map(|(task, at, line)| of(task, at, line)).collect();
        all.sort_by_key(|(at, ..)| *at);
        let event = |(index, (at, stream, message)): (usize, &(i64, String, String))| {
            json!({ "eventId": format!("{at}-{index}"), "timestamp": at, "ingestionTime": at,
                "logStreamName": stream, "message": message })
        };
        let events = all.iter().enumerate().map(event).collect::<Vec<_>>();
        Some(Reply::json(200, json!({ "events": events })))
    }
}
