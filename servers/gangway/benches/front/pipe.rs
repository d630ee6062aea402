//! A server on its standard streams, called without anything between.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{AT_ONCE, Figures, Process, processor};

/// What a server answers to a call, as many at once as behind the program.
pub fn rate(command: &[String], request: &Value, time: Duration) -> Figures {
    let (program, arguments) = command.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process(command.spawn().unwrap());
    let pid = process.0.id();
    let mut input = process.0.stdin.take().unwrap();
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
    let mut send = |message: Value| writeln!(input, "{message}").unwrap();
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" } });
    send(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }));
    let mut answered = |wanted: Option<u64>| loop {
        let message: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap_or_default();
        if message.get("method").is_none() && (wanted.is_none() || message["id"].as_u64() == wanted) {
            return;
        }
    };
    answered(Some(0));
    send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let mut id = 0;
    let mut call = || {
        id += 1;
        let mut message = request.clone();
        message["id"] = id.into();
        send(message);
    };
    (0..AT_ONCE).for_each(|_| call());
    let (begin, before) = (Instant::now(), processor(pid));
    let mut calls = 0;
    while begin.elapsed() < time {
        answered(None);
        call();
        calls += 1;
    }
    Figures { calls, time: begin.elapsed(), processor: processor(pid) - before }
}
