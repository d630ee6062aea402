//! `requests`: the Requests screen as text or JSON.

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::logs::{LogsOptions, Mode, request};
use super::{Exit, Failure, Output, json as print_json, line, progress, sources, written};
use crate::core::requests::{By, Figures, Period, Requests, Subject};
use crate::core::text::milliseconds;
use crate::run::Session;
use crate::run::tail::{Budget, Tail, TailEvent};

/// What is counted; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct RequestsOptions {
    /// Servers; all by default.
    pub servers: Vec<String>,
    /// What a row stands for.
    #[arg(long, value_enum, default_value_t = Row::Tool)]
    pub by: Row,
    /// How far back the figures go: 1, 5 or 15 minutes.
    #[arg(long, value_name = "MINUTES", default_value = "15", value_parser = period)]
    pub minutes: Period,
}

/// What a row of figures stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// A tool of a server.
    Tool,
    /// A client of a server.
    Client,
    /// A tool of a server, as one client calls it.
    Both,
}

impl From<Row> for By {
    fn from(row: Row) -> Self {
        match row {
            Row::Tool => Self::Tool,
            Row::Client => Self::Client,
            Row::Both => Self::Both,
        }
    }
}

fn period(text: &str) -> Result<Period, String> {
    let all = [Period::One, Period::Five, Period::Fifteen];
    all.into_iter().find(|one| one.minutes().to_string() == text).ok_or_else(|| "one of 1, 5, 15".to_owned())
}

/// Counts the request lines of the last minutes and prints the figures. They are as true as the log: where a part of
/// it could not be read, that is told, and the code is 1.
///
/// # Errors
/// When there is no such server, or the log cannot be read.
pub async fn requests(session: &Session, options: &RequestsOptions, output: Output) -> Result<Exit, Failure> {
    let of_logs = LogsOptions {
        servers: options.servers.clone(),
        groups: Vec::new(),
        follow: false,
        // The slot that is still filling is no part of a window, which so reaches a little further back.
        since: format!("{}s", options.minutes.minutes() * 60 + 5),
        until: None,
        filter: None,
        grep: None,
        expression: None,
        level: None,
        mode: Mode::Poll,
        refresh: std::time::Duration::from_secs(60),
    };
    let sources = sources::sources(session, &of_logs).await?;
    let request = request(session, &of_logs, sources)?;
    let (events, mut received) = mpsc::channel(64);
    let tail = Tail::new(session.cloud.clone(), request, Budget::at(&session.context));
    let reader = tokio::spawn(tail.follow(events));
    let (mut counted, mut gaps) = (Requests::default(), Vec::new());
    while let Some(event) = received.recv().await {
        match event {
            TailEvent::Lines(lines) => {
                let now = super::logs::now(session).as_millisecond();
                lines.iter().for_each(|line| counted.take(line, now));
            }
            TailEvent::Gap(gap) if gap.closed => gaps.retain(|(id, _)| *id != gap.id),
            TailEvent::Gap(gap) => gaps.push((gap.id, gap.words())),
            TailEvent::Missing(group) => gaps.push((u64::MAX, format!("there is no log group {group}"))),
            _ => {}
        }
    }
    reader.abort();
    let now = super::logs::now(session);
    let figures = counted.figures(options.by.into(), options.minutes, now.as_millisecond());
    let result = match output {
        Output::Json => print_json(&document(&figures, options, now, &gaps)),
        Output::Text => line(&table(&figures, options)),
    };
    written(result)?;
    gaps.iter().for_each(|(_, gap)| progress(&format!("warning: {gap}")));
    Ok(if gaps.is_empty() { Exit::Done } else { Exit::Failed })
}

fn document(
    figures: &[(Subject, Figures)],
    options: &RequestsOptions,
    now: Timestamp,
    gaps: &[(u64, String)],
) -> Value {
    let latency = |figures: &Figures, percent| figures.latency.percentile(percent);
    let row = |(subject, figures): &(Subject, Figures)| {
        json!({
            "server": subject.server,
            "tool": subject.asked.as_ref().and_then(|asked| asked.name()),
            "client": subject.sender.as_ref().and_then(|sender| sender.client()),
            "requests": figures.requests,
            "errors": figures.errors,
            "refused": figures.refused,
            "per_second": figures.rate(),
            "p50_ms": latency(figures, 50.0),
            "p95_ms": latency(figures, 95.0),
            "p99_ms": latency(figures, 99.0),
        })
    };
    json!({
        "at": now,
        "minutes": options.minutes.minutes(),
        "rows": figures.iter().map(row).collect::<Vec<_>>(),
        "gaps": gaps.iter().map(|(_, gap)| gap).collect::<Vec<_>>(),
    })
}

fn table(figures: &[(Subject, Figures)], options: &RequestsOptions) -> String {
    if figures.is_empty() {
        return format!("no request line in the last {} minutes of the log", options.minutes.minutes());
    }
    let mut out = format!(
        "{:<16} {:<24} {:<28} {:>8} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "SERVER", "TOOL", "CLIENT", "REQ/S", "REQUESTS", "ERRORS", "REFUSED", "P50", "P95", "P99"
    );
    for (subject, figures) in figures {
        let tool = subject.asked.as_ref().and_then(|asked| asked.name()).unwrap_or("-");
        let client = subject.sender.as_ref().and_then(|sender| sender.client()).unwrap_or("-");
        let latency = |percent| figures.latency.percentile(percent).map_or("-".to_owned(), milliseconds);
        out += &format!(
            "\n{:<16} {tool:<24} {client:<28} {:>8.2} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7}",
            subject.server,
            figures.rate(),
            figures.requests,
            figures.errors,
            figures.refused,
            latency(50.0),
            latency(95.0),
            latency(99.0),
        );
    }
    out
}
