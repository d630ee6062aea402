//! `requests`: the Requests screen as text or JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::logs::{LogsOptions, Mode, request};
use super::{Exit, Failure, Output, json as print_json, line, progress, sources, written};
use crate::core::requests::{By, Figures, Period, Subject};
use crate::core::text::milliseconds;
use crate::run::Session;
use crate::run::traffic::{self, Counted};

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
    /// Why a client was refused, or its requests failed.
    Why,
}

impl From<Row> for By {
    fn from(row: Row) -> Self {
        match row {
            Row::Tool => Self::Tool,
            Row::Client => Self::Client,
            Row::Both => Self::Both,
            Row::Why => Self::Why,
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
    let told = |subject: &Subject| subject.sender.as_ref().is_some_and(|sender| sender.client().is_some());
    let Counted { requests, gaps } = traffic::count(session, request, || session.now()).await;
    let now = session.now();
    let figures = requests.figures(options.by.into(), options.minutes, now.as_millisecond());
    let names = match figures.iter().any(|(subject, _)| told(subject)) {
        true => traffic::names(session).await,
        false => BTreeMap::new(),
    };
    let result = match output {
        Output::Json => print_json(&document(&figures, options, now, &names, &gaps)),
        Output::Text => line(&table(&figures, &names, options)),
    };
    written(result)?;
    gaps.iter().for_each(|gap| progress(&format!("warning: {gap}")));
    Ok(if gaps.is_empty() { Exit::Done } else { Exit::Failed })
}

fn document(
    figures: &[(Subject, Figures)],
    options: &RequestsOptions,
    now: Timestamp,
    names: &BTreeMap<String, String>,
    gaps: &[String],
) -> Value {
    let latency = |figures: &Figures, percent| figures.latency.percentile(percent);
    let row = |(subject, figures): &(Subject, Figures)| {
        json!({
            "server": subject.server,
            "tool": subject.asked.as_ref().and_then(|asked| asked.name()),
            "client": client(subject),
            "client_name": client(subject).and_then(|id| names.get(id)),
            "why": subject.why,
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
        "gaps": gaps,
    })
}

/// The id of a row's client.
fn client(subject: &Subject) -> Option<&str> {
    subject.sender.as_ref().and_then(|sender| sender.client())
}

fn table(figures: &[(Subject, Figures)], names: &BTreeMap<String, String>, options: &RequestsOptions) -> String {
    let why = options.by == Row::Why;
    if figures.is_empty() && why {
        return format!("no request was refused in the last {} minutes of the log", options.minutes.minutes());
    }
    if figures.is_empty() {
        return format!("no request line in the last {} minutes of the log", options.minutes.minutes());
    }
    let mut out = format!(
        "{:<16} {:<24} {:<28} {:>8} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "SERVER",
        if why { "WHY" } else { "TOOL" },
        "CLIENT",
        "REQ/S",
        "REQUESTS",
        "ERRORS",
        "REFUSED",
        "P50",
        "P95",
        "P99"
    );
    for (subject, figures) in figures {
        let tool = subject.asked.as_ref().and_then(|asked| asked.name()).unwrap_or("-");
        let tool = subject.why.map_or(tool, |why| why.word());
        let client = client(subject).map_or("-", |id| names.get(id).map_or(id, String::as_str));
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
