//! `logs`: the Logs screen for a pipe.

use std::io::{self, IsTerminal, Write};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use tokio::sync::mpsc;

use super::{Exit, Output, progress};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::environment::names;
use crate::core::logs::tail::Follow;
use crate::core::logs::{Line, Severity, TailRequest, TailState};
use crate::run::Session;
use crate::run::tail::{self, Budget, END_OF_WINDOW, TailEvent};

/// What to print.
#[derive(Debug, Clone)]
pub struct LogsOptions {
    /// Servers; empty is all.
    pub servers: Vec<String>,
    /// How to follow.
    pub follow: Follow,
    /// Where to begin: a duration back (`15m`) or a time.
    pub since: String,
    /// Where to end: a duration back or a time.
    pub until: Option<String>,
    /// CloudWatch filter pattern.
    pub pattern: Option<String>,
    /// Only lines that match.
    pub grep: Option<Regex>,
    /// Only lines at least this bad.
    pub level: Option<Severity>,
}

/// A time given as a duration back from now or as RFC 3339, in milliseconds since the Unix epoch.
///
/// # Errors
/// Says what is possible.
pub fn instant(text: &str, now: Timestamp) -> CloudResult<i64> {
    let back = text.parse::<SignedDuration>().ok().and_then(|back| now.checked_sub(back).ok());
    let at = back.or_else(|| text.parse::<Timestamp>().ok());
    at.map(Timestamp::as_millisecond).ok_or_else(|| {
        CloudError::new(ErrorKind::Invalid, "logs", format!("{text:?} is not a time"))
            .with_hint("give a duration back, such as 15m or 2h, or a time, such as 2026-01-31T03:00:00Z")
    })
}

/// Prints log lines until the window ends, the reader goes away or the operator interrupts.
///
/// # Errors
/// When there is no such server, a time cannot be read, or the log cannot be.
pub async fn logs(session: &Session, options: &LogsOptions, output: Output) -> CloudResult<Exit> {
    let request = request(session, options).await?;
    let (events, mut received) = mpsc::channel(64);
    let reader = tokio::spawn(tail::follow(session.cloud.clone(), request, Budget::default(), events));
    let printer = Printer { output, colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    let mut exit = Exit::Done;
    loop {
        let event = tokio::select! {
            event = received.recv() => event,
            _ = tokio::signal::ctrl_c() => None,
        };
        match event {
            None => break,
            Some(TailEvent::State(TailState::Ended(reason))) if reason != END_OF_WINDOW => {
                progress(&format!("quarterdeck: the log ended: {reason}"));
                exit = Exit::Failed;
            }
            Some(TailEvent::State(state)) => announce(&state),
            Some(TailEvent::Lines(lines)) => {
                let shown = lines.iter().filter(|line| shows(options, line));
                // The reader of a pipe has gone away: that is an end, not a failure.
                if printer.print(shown).is_err() {
                    break;
                }
            }
        }
    }
    reader.abort();
    Ok(exit)
}

/// Log groups of these servers; of all where none is named.
pub(super) async fn groups(session: &Session, servers: &[String]) -> CloudResult<Vec<String>> {
    let fleet = session.cloud.fleet(&session.context.cluster).await?;
    let known: Vec<&str> = fleet.servers.iter().map(|server| server.name.as_str()).collect();
    if let Some(unknown) = servers.iter().find(|name| !known.contains(&name.as_str())) {
        let message = format!("there is no server {unknown:?} in cluster {}", session.context.cluster);
        return Err(
            CloudError::new(ErrorKind::NotFound, "logs", message).with_hint(format!("it has {}", known.join(", ")))
        );
    }
    let chosen = known.iter().filter(|name| servers.is_empty() || servers.iter().any(|one| one == *name));
    Ok(chosen.map(|name| names::log_group(&session.context.environment, name)).collect())
}

async fn request(session: &Session, options: &LogsOptions) -> CloudResult<TailRequest> {
    let now = Timestamp::now();
    Ok(TailRequest {
        groups: groups(session, &options.servers).await?,
        from: instant(&options.since, now)?,
        until: options.until.as_deref().map(|until| instant(until, now)).transpose()?,
        pattern: options.pattern.clone(),
        follow: options.follow,
    })
}

fn shows(options: &LogsOptions, line: &Line) -> bool {
    options.level.is_none_or(|level| line.severity >= level)
        && options.grep.as_ref().is_none_or(|pattern| pattern.is_match(&line.text))
}

/// What a reader must know of the stream goes to stderr, so that stdout holds lines alone.
fn announce(state: &TailState) {
    match state {
        TailState::Polling(why) => progress(&format!("quarterdeck: polling: {why}")),
        TailState::Sampled => {
            progress("quarterdeck: CloudWatch samples the live tail; what it leaves out is fetched after")
        }
        TailState::Reconnecting(why, _) => progress(&format!("quarterdeck: reconnecting: {why}")),
        TailState::Off | TailState::Loading(_) | TailState::Live | TailState::Ended(_) => {}
    }
}

struct Printer {
    output: Output,
    colour: bool,
}

impl Printer {
    fn print<'a>(&self, lines: impl Iterator<Item = &'a Line>) -> io::Result<()> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        for line in lines {
            match self.output {
                Output::Json => serde_json::to_writer(&mut out, line)?,
                Output::Text => self.text(&mut out, line)?,
            }
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    fn text(&self, out: &mut impl Write, line: &Line) -> io::Result<()> {
        let at = Timestamp::from_millisecond(line.at).unwrap_or_default().to_zoned(TimeZone::system());
        let (on, off) = match (self.colour, line.severity) {
            (true, Severity::Error) => ("\u{1b}[31m", "\u{1b}[0m"),
            (true, Severity::Warn) => ("\u{1b}[33m", "\u{1b}[0m"),
            _ => ("", ""),
        };
        write!(out, "{} {}/{} {on}{}{off}", at.strftime("%H:%M:%S%.3f"), line.server, line.short_task(), line.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_durations_back_or_rfc_3339() {
        let now: Timestamp = "2026-01-31T03:00:00Z".parse().unwrap_or_default();
        assert_eq!(instant("15m", now), Ok(now.as_millisecond() - 900_000));
        assert_eq!(instant("2026-01-31T02:00:00Z", now), Ok(now.as_millisecond() - 3_600_000));
        assert_eq!(instant("yesterday-ish", now).map_err(|error| error.kind), Err(ErrorKind::Invalid));
    }
}
