//! Log lines as the servers of this repository and others write them.

use quarterdeck::core::logs::{Line, LogEvent};

use super::at;

/// A line of a task, so many milliseconds from the tests' now.
pub fn line(server: &str, task: &str, millis: i64, message: &str) -> Line {
    let event = LogEvent {
        timestamp: at(0).as_millisecond() + millis,
        ingested: at(0).as_millisecond() + millis,
        group: format!("/quarterdeck/prod/{server}"),
        stream: format!("{server}/{server}/{task}"),
        message: message.into(),
    };
    Line::new(&event, server, task)
}

fn request(server: &str, task: &str, millis: i64, tool: &str, status: u16) -> Line {
    let level = if status >= 500 {
        "error"
    } else if status >= 400 {
        "warn"
    } else {
        "info"
    };
    let text = format!(
        r#"{{"ts":"2027-01-15T07:59:00.000Z","level":"{level}","event":"request","server":"{server}","method":"tools/call","tool":"{tool}","client":"5h1kq8machine","status":{status},"latency_ms":12.75,"request_id":"c0ffee{millis}","trace_id":"1-67890-abc"}}"#
    );
    line(server, task, millis, &text)
}

/// Requests, a warning, an error, plain text and wide characters, of two servers.
pub fn mixed() -> Vec<Line> {
    let (a, b, c) = ("a3f1c2d4e5f60718", "b7e2d3c4f5a60918", "0c9d8e7f6a5b4c3d");
    vec![
        line(
            "time",
            a,
            -61_000,
            r#"{"ts":"x","level":"info","event":"listening","server":"time","message":"0.0.0.0:8080"}"#,
        ),
        request("time", a, -60_500, "now", 200),
        request("weather", b, -59_100, "forecast", 200),
        line("weather", c, -58_000, "WARN upstream api.weather.gov answered slowly (2.1 s); retrying 東京 forecast"),
        request("weather", c, -57_250, "forecast", 502),
        line(
            "weather",
            c,
            -57_000,
            "thread 'main' gave up after 3 retries: ERROR connection reset by peer while reading the body of https://api.weather.gov/gridpoints/TOP/31,80/forecast",
        ),
        request("time", a, -30_000, "convert", 401),
        request("weather", b, -12_000, "alerts", 200),
    ]
}

/// Many requests.
pub fn many(count: i64) -> Vec<Line> {
    (0..count)
        .map(|n| {
            request("time", "a3f1c2d4e5f60718", -100_000 + n * 10, if n % 7 == 0 { "convert" } else { "now" }, 200)
        })
        .collect()
}
