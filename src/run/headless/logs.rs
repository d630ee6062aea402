//! `logs`: the Logs screen for a pipe.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::mem;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;
use tokio::sync::mpsc;

use super::{Exit, Failure, Output, progress, written};
use crate::cloud::ErrorKind;
use crate::core::environment::names;
use crate::core::error::Refusal;
use crate::core::logs::moment;
use crate::core::logs::tail::{End, Follow};
use crate::core::logs::{Expression, Gap, Line, Severity, TailRequest, TailState};
use crate::run::Session;
use crate::run::tail::{self, Budget, TailEvent};

/// What to print; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct LogsOptions {
    /// Servers; all by default.
    pub servers: Vec<String>,
    /// A log group by name, instead of all servers or beside those named; may be repeated.
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// Go on as lines are written.
    #[arg(short, long)]
    pub follow: bool,
    /// Where to begin: a duration back or a time.
    #[arg(long, default_value = "15m")]
    pub since: String,
    /// Where to end: a duration back or a time.
    #[arg(long, conflicts_with = "follow")]
    pub until: Option<String>,
    /// CloudWatch filter pattern, applied by the service.
    #[arg(long)]
    pub filter: Option<String>,
    /// Only lines that match this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<Regex>,
    /// Only lines of which this holds, as the Logs screen filters: 'tool=get_forecast latency_ms>500 !canary'.
    #[arg(long = "where", value_name = "EXPRESSION", value_parser = Expression::parse)]
    pub expression: Option<Expression>,
    /// Only lines at least this bad: debug, info, warn, error.
    #[arg(long, value_parser = level)]
    pub level: Option<Severity>,
    /// How to follow.
    #[arg(long, value_enum, default_value_t = Mode::Live)]
    pub mode: Mode,
}

/// How to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// StartLiveTail, and polling where it is not to be had.
    Live,
    /// FilterLogEvents again and again.
    Poll,
}

impl LogsOptions {
    fn following(&self) -> Follow {
        match (self.follow, self.mode) {
            (false, _) => Follow::No,
            (true, Mode::Live) => Follow::Live,
            (true, Mode::Poll) => Follow::Poll,
        }
    }
}

fn level(text: &str) -> Result<Severity, String> {
    Severity::named(text).ok_or_else(|| "one of debug, info, warn, error".to_owned())
}

/// A time in milliseconds since the Unix epoch, from what an operator types: a time of the local clock,
/// a duration back from now, or RFC 3339.
///
/// # Errors
/// When the text is none of these; the message says what is possible.
pub fn instant(text: &str, now: Timestamp) -> Result<i64, Refusal> {
    let at = moment::parse(text, now, &TimeZone::system());
    at.map(Timestamp::as_millisecond).map_err(|why| Refusal::new(ErrorKind::Invalid, why))
}

/// Prints log lines until the window ends, the reader goes away or the operator interrupts.
///
/// # Errors
/// When there is no such server, a time cannot be read, or the log cannot be.
pub async fn logs(session: &Session, options: &LogsOptions, output: Output) -> Result<Exit, Failure> {
    let request = request(session, options).await?;
    let follows = options.follow;
    let (asked_for, mut missing) = (request.groups.clone(), Vec::new());
    let (events, mut received) = mpsc::channel(64);
    let reader = tokio::spawn(tail::follow(session.cloud.clone(), request, Budget::at(&session.context), events));
    let mut printer = Printer::new(output);
    let exit = loop {
        let event = tokio::select! {
            event = received.recv() => event,
            _ = tokio::signal::ctrl_c() => {
                printer.interrupted();
                break Exit::Done;
            }
        };
        let printed = match event {
            None if !missing.is_empty() && missing.len() == asked_for.len() => {
                return Err(no_such_group(session, &missing).await);
            }
            None => {
                missing.iter().for_each(|group| progress(&format!("quarterdeck: there is no log group {group}")));
                break printer.end(Exit::Done);
            }
            Some(TailEvent::Missing(group)) => {
                if follows {
                    progress(&format!("quarterdeck: waits for {group}, which does not exist yet"));
                }
                missing.push(group);
                Ok(())
            }
            Some(TailEvent::State(TailState::Ended(End::Failed(error)))) => {
                progress(&format!("quarterdeck: the log ended: {error}"));
                error.hint.iter().for_each(|hint| progress(&format!("  {hint}")));
                break Exit::Failed;
            }
            Some(TailEvent::State(TailState::Loading(_))) if !follows => Ok(()),
            Some(TailEvent::State(state)) => {
                printer.announce(state);
                Ok(())
            }
            Some(TailEvent::Gap(gap)) => printer.gap(&gap),
            Some(TailEvent::Rate(_)) => Ok(()),
            Some(TailEvent::Lines(lines)) => printer.print(lines.iter().filter(|line| shows(options, line))),
        };
        if let Err(error) = printed {
            reader.abort();
            // If the reader of a pipe has gone away, this is the end and not a failure. A full disk is a failure.
            return written(Err(error)).map(|()| Exit::Done);
        }
    };
    reader.abort();
    Ok(exit)
}

/// The failure when none of the groups exists, with the names that the operator may have meant.
async fn no_such_group(session: &Session, missing: &[String]) -> Failure {
    let why = format!("there is no log group {}", missing.join(", "));
    // Whoever may read logs need not be allowed to list the groups; then there is no hint.
    let known = session.cloud.log_groups().await.unwrap_or_default();
    let near = nearest(&missing[0], known);
    let refusal = Refusal::new(ErrorKind::NotFound, why);
    Failure::Refused(if near.is_empty() { refusal } else { refusal.with_hint(format!("there is {}", near.join(", "))) })
}

/// The names, three at most, that have the longest beginning and end in common with the one wanted.
fn nearest(wanted: &str, mut known: Vec<String>) -> Vec<String> {
    let same = |pairs: &mut dyn Iterator<Item = (char, char)>| pairs.take_while(|(a, b)| a == b).count();
    let likeness = |name: &String| {
        same(&mut wanted.chars().zip(name.chars())) + same(&mut wanted.chars().rev().zip(name.chars().rev()))
    };
    known.sort_by_key(|name| (std::cmp::Reverse(likeness(name)), name.clone()));
    known.truncate(3);
    known
}

async fn request(session: &Session, options: &LogsOptions) -> Result<TailRequest, Failure> {
    let now = Timestamp::now();
    let from = instant(&options.since, now)?;
    let until = options.until.as_deref().map(|until| instant(until, now)).transpose()?;
    if until.is_some_and(|until| until <= from) {
        let message = format!("the window from {} ends before it begins", options.since);
        let hint = "--until must be later than --since, such as --since 2h --until 1h";
        return Err(Failure::refused(ErrorKind::Invalid, message, hint));
    }
    let mut groups = options.groups.clone();
    if groups.is_empty() || !options.servers.is_empty() {
        groups.extend(server_groups(session, &options.servers).await?);
    }
    groups.sort();
    groups.dedup();
    Ok(TailRequest { groups, from, until, pattern: options.filter.clone(), follow: options.following() })
}

/// The log groups of these servers; of all servers if none is named.
pub(super) async fn server_groups(session: &Session, wanted: &[String]) -> Result<Vec<String>, Failure> {
    let fleet = session.cloud.fleet(&session.context.cluster).await?;
    if let Some(unknown) = wanted.iter().find(|name| fleet.server(name).is_none()) {
        let known: Vec<&str> = fleet.servers.iter().map(|server| server.name.as_str()).collect();
        let message = format!("there is no server {unknown:?} in cluster {}", session.context.cluster);
        return Err(Failure::refused(ErrorKind::NotFound, message, format!("it has {}", known.join(", "))));
    }
    let chosen = fleet.servers.iter().filter(|server| wanted.is_empty() || wanted.contains(&server.name));
    Ok(chosen.flat_map(|server| names::log_groups(&session.context.environment, server)).collect())
}

fn shows(options: &LogsOptions, line: &Line) -> bool {
    options.level.is_none_or(|level| line.severity >= level)
        && options.grep.as_ref().is_none_or(|pattern| pattern.is_match(&line.text))
        && options.expression.as_ref().is_none_or(|expression| expression.matches(line.view()))
}

/// Writes lines and, as JSON, gaps to stdout, and everything else that a reader must know to stderr.
struct Printer {
    output: Output,
    colour: bool,
    state: TailState,
    open_gaps: BTreeSet<u64>,
}

/// A gap among the lines of `--output json`.
#[derive(serde::Serialize)]
struct GapObject<'a> {
    gap: &'a Gap,
}

impl Printer {
    fn new(output: Output) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { output, colour, state: TailState::Off, open_gaps: BTreeSet::new() }
    }

    /// Writes the state if it is of another kind than the last.
    fn announce(&mut self, state: TailState) {
        if mem::discriminant(&state) != mem::discriminant(&self.state) {
            let was_wrong = matches!(
                self.state,
                TailState::Sampled | TailState::Lagging(_) | TailState::Reconnecting(..) | TailState::Polling(_)
            );
            match &state {
                TailState::Polling(why) => progress(&format!("quarterdeck: polling: {why}")),
                TailState::Sampled => {
                    progress("quarterdeck: CloudWatch samples the live tail; what it leaves out is fetched afterwards")
                }
                TailState::Lagging(behind) => progress(&format!("quarterdeck: {} s behind, fetching", behind / 1_000)),
                TailState::Reconnecting(why, _) => progress(&format!("quarterdeck: reconnecting: {why}")),
                TailState::Live if was_wrong => progress("quarterdeck: live"),
                TailState::Off | TailState::Loading(_) | TailState::Live | TailState::Ended(_) => {}
            }
        }
        self.state = state;
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let news = if gap.closed { self.open_gaps.remove(&gap.id) } else { self.open_gaps.insert(gap.id) };
        if news {
            progress(&format!("quarterdeck: {}", gap.words()));
        }
        if self.output == Output::Json {
            let mut out = io::stdout().lock();
            serde_json::to_writer(&mut out, &GapObject { gap })?;
            out.write_all(b"\n")?;
            out.flush()?;
        }
        Ok(())
    }

    /// When the operator interrupts: says if some of the newest lines may be missing.
    fn interrupted(&self) {
        if matches!(self.state, TailState::Sampled | TailState::Lagging(_) | TailState::Reconnecting(..)) {
            progress(&format!(
                "quarterdeck: stopped while {}: some of the newest lines may be missing",
                self.state.word()
            ));
        }
    }

    /// The exit code at the end: a window with an open gap was not read, which is a failure.
    fn end(&self, exit: Exit) -> Exit {
        if self.open_gaps.is_empty() { exit } else { Exit::Failed }
    }

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
        let clock = Timestamp::from_millisecond(instant("02:15:20", now).unwrap()).unwrap();
        let clock = clock.to_zoned(TimeZone::system()).strftime("%T").to_string();
        assert_eq!(clock, "02:15:20", "the clock's time, not so long ago");
        assert_eq!(instant("2026-01-31T02:00:00Z", now), Ok(now.as_millisecond() - 3_600_000));
        assert_eq!(instant("yesterday-ish", now).map_err(|error| error.kind), Err(ErrorKind::Invalid));
    }

    #[test]
    fn the_nearest_names_come_first() {
        let known = ["/aws/lambda/x", "/quarterdeck/prod/time", "/quarterdeck/dev/time", "/quarterdeck/prod/weather"];
        let near = nearest("/quarterdeck/prod/tmie", known.map(ToOwned::to_owned).into());
        assert_eq!(near, ["/quarterdeck/prod/time", "/quarterdeck/prod/weather", "/quarterdeck/dev/time"]);
        assert!(nearest("/x", Vec::new()).is_empty());
    }

    #[test]
    fn level_pattern_and_expression_must_all_hold() {
        let options = LogsOptions {
            servers: Vec::new(),
            groups: Vec::new(),
            follow: false,
            mode: Mode::Live,
            since: "15m".into(),
            until: None,
            filter: None,
            grep: Regex::new("convert").ok(),
            expression: Expression::parse("latency_ms>500").ok(),
            level: Some(Severity::Warn),
        };
        let line =
            |text: &str, severity| Line { at: 0, server: "s".into(), task: "t".into(), severity, text: text.into() };
        let shown = |text: &str, severity| shows(&options, &line(text, severity));
        assert!(shown(r#"{"tool":"convert_time","latency_ms":501}"#, Severity::Warn));
        assert!(!shown(r#"{"tool":"convert_time","latency_ms":501}"#, Severity::Info));
        assert!(!shown(r#"{"tool":"convert_time","latency_ms":499}"#, Severity::Warn));
        assert!(!shown(r#"{"tool":"get_forecast","latency_ms":501}"#, Severity::Warn));
    }
}
