//! Nothing that is typed as a filter, and no line that it is put to, makes it fail.
#![no_main]

use quarterdeck::core::logs::{Expression, Line, LogEvent};

libfuzzer_sys::fuzz_target!(|input: (String, String)| {
    let (typed, message) = input;
    let event = LogEvent { timestamp: 0, ingested: 0, group: "g".into(), stream: "s".into(), message };
    if let Ok(expression) = Expression::parse(&typed) {
        expression.matches(Line::decode(&event).view());
    }
});
