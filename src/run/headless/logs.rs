//! `logs`: the Logs screen for a pipe.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at};

use super::{Exit, Failure, Output, progress, sources, written};
use crate::cloud::ErrorKind;
use crate::core::error::Refusal;
use crate::core::logs::tail::{End, Follow};
use crate::core::logs::{
    Expression, Followed, Gap, Line, Pattern, Severity, Tags, TailRequest, TailState, group, moment,
};
use crate::core::text::row;
use crate::run::Session;
use crate::run::tail::{Budget, Tail, TailEvent};

/// What to print; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct LogsOptions {
    /// Servers; all by default.
    pub servers: Vec<String>,
    /// A log group by name or ARN, instead of all servers or beside those named; may be repeated.
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// Go on as lines are written.
    #[arg(short, long)]
    pub follow: bool,
    /// Where to begin: so long ago (15m, 1d, 1w) or a time (03:15, 2026-01-31, "2026-01-31 03:00", RFC 3339, epoch).
    #[arg(long, default_value = "15m")]
    pub since: String,
    /// Where to end, in the same forms.
    #[arg(long, conflicts_with = "follow")]
    pub until: Option<String>,
    /// CloudWatch filter pattern, applied by the service.
    #[arg(long)]
    pub filter: Option<String>,
    /// Only lines that match this regular expression.
    #[arg(long, value_name = "REGEX", value_parser = grep)]
    pub grep: Option<Box<Pattern>>,
    /// Only lines of which this holds, as the Logs screen filters: 'tool=get_forecast latency_ms>500 !canary'.
    #[arg(long = "where", value_name = "EXPRESSION", value_parser = Expression::parse)]
    pub expression: Option<Expression>,
    /// Only lines at least this bad: debug, info, warn, error.
    #[arg(long, value_parser = level)]
    pub level: Option<Severity>,
    /// How to follow.
    #[arg(long, value_enum, default_value_t = Mode::Live)]
    pub mode: Mode,
    /// Time between two looks at which servers there are, while following.
    #[arg(skip = REFRESH)]
    pub refresh: Duration,
}

/// Time between two looks at which servers there are.
const REFRESH: Duration = Duration::from_secs(15);

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

fn grep(text: &str) -> Result<Box<Pattern>, String> {
    Pattern::exact(text).map(Box::new)
}

fn level(text: &str) -> Result<Severity, String> {
    Severity::named(text).ok_or_else(|| "one of debug, info, warn, error".to_owned())
}

/// A time in milliseconds since the Unix epoch, from what an operator types: a time of the local clock, a day,
/// a duration back from now, RFC 3339, or a time since the epoch.
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
    let sources = sources::sources(session, options).await?;
    let request = request(session, options, sources)?;
    let mut printer = Printer::new(output, options.follow, &request);
    let (events, mut received) = mpsc::channel(64);
    let (following, changes) = watch::channel(request.sources.clone());
    let tail = Tail::new(session.cloud.clone(), request, Budget::at(&session.context));
    let reader = tokio::spawn(Tail { changes: Some(changes), ..tail }.follow(events));
    let tick = interval_at(Instant::now() + options.refresh, options.refresh);
    let refresh =
        options.follow.then(|| tokio::spawn(sources::refresh(session.clone(), options.clone(), following, tick)));
    let exit = loop {
        let event = tokio::select! {
            event = received.recv() => event,
            _ = tokio::signal::ctrl_c() => {
                printer.interrupted();
                break Exit::Done;
            }
        };
        let Some(event) = event else {
            if let Some(missing) = printer.all_missing() {
                return Err(no_such_group(session, missing).await);
            }
            break printer.end();
        };
        if let TailEvent::State(TailState::Ended(End::Failed(error))) = &event {
            progress(&format!("quarterdeck: the log ended: {error}"));
            error.hint.iter().for_each(|hint| progress(&format!("  {hint}")));
            break Exit::Failed;
        }
        if let Err(error) = printer.take(event, options) {
            reader.abort();
            // If the reader of a pipe has gone away, this is the end and not a failure. A full disk is a failure.
            return written(Err(error)).map(|()| Exit::Done);
        }
    };
    reader.abort();
    refresh.iter().for_each(JoinHandle::abort);
    Ok(exit)
}

/// The failure when none of the groups exists, with the names that the operator may have meant.
async fn no_such_group(session: &Session, missing: &[String]) -> Failure {
    let why = format!("there is no log group {}", missing.join(", "));
    // Whoever may read logs need not be allowed to list the groups; then there is no hint.
    let known = session.cloud.log_groups(group::parts(&missing[0]).0).await.unwrap_or_default();
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

pub(super) fn request(session: &Session, options: &LogsOptions, sources: Followed) -> Result<TailRequest, Failure> {
    let now = session.now();
    let from = instant(&options.since, now)?;
    let until = options.until.as_deref().map(|until| instant(until, now)).transpose()?;
    if until.is_some_and(|until| until <= from) {
        let message = format!("the window from {} ends before it begins", options.since);
        let hint = "--until must be later than --since, such as --since 2h --until 1h";
        return Err(Failure::refused(ErrorKind::Invalid, message, hint));
    }
    if until.is_none() && from > now.as_millisecond() {
        let message = format!("the window from {} begins in the future", options.since);
        return Err(Failure::refused(ErrorKind::Invalid, message, "give a time in the past, such as --since 1d"));
    }
    Ok(TailRequest { sources, from, until, pattern: options.filter.clone(), follow: options.following() })
}

fn shows(options: &LogsOptions, line: &Line) -> bool {
    options.level.is_none_or(|level| line.severity >= level)
        && options.grep.as_ref().is_none_or(|pattern| pattern.matches(&line.text))
        && options.expression.as_ref().is_none_or(|expression| expression.matches(line.view()))
}

/// Writes lines and, as JSON, gaps to stdout, and everything else that a reader must know to stderr.
struct Printer {
    output: Output,
    colour: bool,
    /// Each time has its day: the window reaches into another than today.
    dated: bool,
    follows: bool,
    tags: Tags,
    state: TailState,
    open_gaps: BTreeSet<u64>,
    groups: Vec<String>,
    missing: Vec<String>,
    /// Lines that were read, and those of them that were written.
    lines: (u64, u64),
}

/// A gap among the lines of `--output json`.
#[derive(serde::Serialize)]
struct GapObject<'a> {
    gap: &'a Gap,
}

impl Printer {
    fn new(output: Output, follows: bool, request: &TailRequest) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            output,
            colour,
            dated: local(request.from).date() != local(Timestamp::now().as_millisecond()).date(),
            follows,
            tags: Tags::new(TAG),
            state: TailState::Off,
            open_gaps: BTreeSet::new(),
            groups: request.sources.groups.clone(),
            missing: Vec::new(),
            lines: (0, 0),
        }
    }

    /// Writes what the tail says.
    fn take(&mut self, event: TailEvent, options: &LogsOptions) -> io::Result<()> {
        match event {
            TailEvent::Missing(group) => {
                if self.follows {
                    progress(&format!("quarterdeck: waits for {group}, which does not exist yet"));
                }
                self.missing.push(group);
            }
            TailEvent::Appeared(group) => {
                self.missing.retain(|missing| *missing != group);
                progress(&format!("quarterdeck: {group} exists now"));
            }
            TailEvent::State(TailState::Loading(_)) if !self.follows => {}
            TailEvent::State(state) => self.announce(state),
            TailEvent::Gap(gap) => self.gap(&gap)?,
            TailEvent::Rate(_) => {}
            TailEvent::Lines(lines) => {
                self.lines.0 += lines.len() as u64;
                self.print(lines.iter().filter(|line| shows(options, line)))?;
            }
        }
        Ok(())
    }

    /// The groups that do not exist, if that is all of them.
    fn all_missing(&self) -> Option<&[String]> {
        (!self.missing.is_empty() && self.missing.len() >= self.groups.len()).then_some(self.missing.as_slice())
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
    fn end(&self) -> Exit {
        self.missing.iter().for_each(|group| progress(&format!("quarterdeck: there is no log group {group}")));
        // A log without lines must not look like one that was not read.
        match self.lines {
            (0, _) => {
                let read: Vec<&str> =
                    self.groups.iter().filter(|group| !self.missing.contains(group)).map(String::as_str).collect();
                progress(&format!("quarterdeck: no line of that time in {}", read.join(", ")));
            }
            (read, 0) => progress(&format!("quarterdeck: none of {read} lines matches")),
            _ => {}
        }
        if self.open_gaps.is_empty() { Exit::Done } else { Exit::Failed }
    }

    fn print<'a>(&mut self, lines: impl Iterator<Item = &'a Line>) -> io::Result<()> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        for line in lines {
            self.lines.1 += 1;
            match self.output {
                Output::Json => serde_json::to_writer(&mut out, line)?,
                Output::Text => self.text(&mut out, line)?,
            }
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    fn text(&mut self, out: &mut impl Write, line: &Line) -> io::Result<()> {
        let (on, off) = match (self.colour, line.severity) {
            (true, Severity::Error) => ("\u{1b}[31m", "\u{1b}[0m"),
            (true, Severity::Warn) => ("\u{1b}[33m", "\u{1b}[0m"),
            _ => ("", ""),
        };
        let at = stamp(line.at, Timestamp::now().as_millisecond(), self.dated);
        write!(out, "{at} {}/{} {on}{}{off}", line.server, self.tags.of(&line.task), row(&line.text))
    }
}

/// Cells of a stream's name where it has no task id in it.
const TAG: usize = 60;

/// A time of the local clock; with its day and its offset where that is not today.
fn stamp(at: i64, now: i64, dated: bool) -> String {
    let at = local(at);
    let format = if dated || at.date() != local(now).date() { "%F %H:%M:%S%.3f%:z" } else { "%H:%M:%S%.3f" };
    at.strftime(format).to_string()
}

fn local(at: i64) -> Zoned {
    Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(TimeZone::system())
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
    fn a_time_has_its_day_where_that_is_not_today() {
        let day = 86_400_000;
        let today = stamp(10 * day + 5, 10 * day + 3_600_000, false);
        assert_eq!(today.len(), "00:00:00.005".len(), "{today}");
        for dated in
            [stamp(8 * day, 10 * day, false), stamp(12 * day, 10 * day, false), stamp(10 * day, 10 * day, true)]
        {
            assert_eq!(dated.len(), "1970-01-11 00:00:00.000+00:00".len(), "{dated}");
            assert!(dated.starts_with("1970-01-"), "{dated}");
        }
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
            refresh: REFRESH,
            since: "15m".into(),
            until: None,
            filter: None,
            grep: grep("convert").ok(),
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
