//! How bad a line is, found in the shapes that common loggers write.

use std::borrow::Cow;

use memchr::memmem;

use super::payload;

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Detail.
    Debug,
    /// Nothing said, or information.
    #[default]
    Info,
    Warn,
    /// An error, or worse.
    Error,
}

impl Severity {
    /// The severity of this name, in the spellings that loggers use.
    pub fn named(name: &str) -> Option<Self> {
        const NAMES: &[(Severity, &[&str])] = &[
            (
                Severity::Debug,
                &[
                    "trace", "debug", "verbose", "trc", "dbg", "vrb", "fine", "finer", "finest", "dbug", "trce",
                    "debu", "trac",
                ],
            ),
            (Severity::Info, &["info", "notice", "information", "informational", "inf", "log"]),
            (Severity::Warn, &["warn", "warning", "wrn"]),
            (
                Severity::Error,
                &[
                    "error",
                    "err",
                    "eror",
                    "fatal",
                    "critical",
                    "crit",
                    "panic",
                    "dpanic",
                    "emerg",
                    "emergency",
                    "alert",
                    "severe",
                    "ftl",
                    "fail",
                    // As logrus cuts them off.
                    "erro",
                    "fata",
                    "pani",
                ],
            ),
        ];
        let named = |names: &&[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        NAMES.iter().find(|(_, names)| named(names)).map(|(severity, _)| *severity)
    }

    /// The severity of a number: syslog's 0 to 7 (RFC 5424, 6.2.1), or 10 to 60 as pino and bunyan write.
    pub fn numbered(number: u64) -> Option<Self> {
        match number {
            0..=3 => Some(Self::Error),
            4 => Some(Self::Warn),
            5 | 6 => Some(Self::Info),
            7 | 10..30 => Some(Self::Debug),
            30..40 => Some(Self::Info),
            40..50 => Some(Self::Warn),
            50..=60 => Some(Self::Error),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The severity of a letter, as Android, glog, MongoDB and others write it.
    pub fn lettered(letter: &str) -> Option<Self> {
        match letter.as_bytes() {
            [b'T' | b'V' | b'D'] => Some(Self::Debug),
            [b'I' | b'N'] => Some(Self::Info),
            [b'W'] => Some(Self::Warn),
            [b'E' | b'F' | b'C' | b'A'] => Some(Self::Error),
            _ => None,
        }
    }

    /// OpenTelemetry's SeverityNumber: 1 to 24, four for each (Logs Data Model).
    fn opentelemetry(number: u64) -> Option<Self> {
        match number {
            1..=8 => Some(Self::Debug),
            9..=12 => Some(Self::Info),
            13..=16 => Some(Self::Warn),
            17..=24 => Some(Self::Error),
            _ => None,
        }
    }

    /// Python's `levelno`, which is one step above pino's numbers.
    fn python(number: u64) -> Option<Self> {
        match number {
            1..20 => Some(Self::Debug),
            20..30 => Some(Self::Info),
            30..40 => Some(Self::Warn),
            40..=50 => Some(Self::Error),
            _ => None,
        }
    }

    /// Finds it in a sanitised line.
    pub fn of(text: &str) -> Self {
        let text = payload::bare(text);
        let own = match text.as_bytes() {
            [] => None,
            [b'{', ..] | [b'[', b'{', ..] => json(text).or_else(|| routed(text)),
            _ => plain(text),
        };
        own.unwrap_or_default()
    }
}

/// The severity of what a router wrapped in a JSON line that names none itself.
fn routed(text: &str) -> Option<Severity> {
    if text.len() > ROUTED {
        return None;
    }
    match payload::inner(text) {
        Cow::Owned(log) if log.starts_with('{') => json(&log),
        Cow::Owned(log) => plain(&log),
        Cow::Borrowed(_) => None,
    }
}

/// Longest line that is unwrapped to find its level, in bytes.
const ROUTED: usize = 64 * 1024;
/// How far into a JSON line its level is looked for, in bytes.
const JSON_HEAD: usize = 16 * 1024;
/// How far into a plain line, in bytes: levels stand near the beginning.
const PLAIN_HEAD: usize = 160;

/// How a field's value says the level.
#[derive(Clone, Copy)]
enum Scale {
    /// As a word, a letter, or a number of syslog or pino.
    Usual,
    OpenTelemetry,
    Python,
    /// As a letter alone: a short name means other things elsewhere.
    Letter,
}

/// Names of the field that holds the level, in any case.
const KEYS: &[(&str, Scale)] = &[
    ("level", Scale::Usual),
    ("severity", Scale::Usual),
    ("lvl", Scale::Usual),
    ("loglevel", Scale::Usual),
    ("log_level", Scale::Usual),
    ("log.level", Scale::Usual),
    ("levelname", Scale::Usual),
    ("level_name", Scale::Usual),
    ("severitytext", Scale::Usual),
    ("severity_text", Scale::Usual),
    ("@l", Scale::Usual),
    ("@level", Scale::Usual),
    ("severitynumber", Scale::OpenTelemetry),
    ("severity_number", Scale::OpenTelemetry),
    ("levelno", Scale::Python),
    ("s", Scale::Letter),
];
/// A part of each of those names: what is searched for.
const PARTS: &[&[u8]] = &[b"evel", b"everity", b"lvl\"", b"\"@l\"", b"EVEL", b"EVERITY", b"LVL\"", b"\"s\""];
/// Names of the field inside an object that is the level, such as `{"level":{"name":"ERROR"}}`.
const INSIDE: &[&str] = &["name", "level", "text", "label", "value", "severity", "standardLevel", "levelStr"];

/// The value of the first level field, without parsing the object. A quotation mark inside a string
/// is escaped in JSON, so a message that quotes a level is not taken for one.
fn json(text: &str) -> Option<Severity> {
    let head = prefix(text, JSON_HEAD);
    PARTS.iter().find_map(|part| memmem::find_iter(head.as_bytes(), part).find_map(|at| level_field(head, at)))
}

fn level_field(text: &str, at: usize) -> Option<Severity> {
    let open = if text.as_bytes()[at] == b'"' { at } else { text[..at].rfind('"')? };
    let (key, rest) = text[open + 1..].split_once('"')?;
    let (_, scale) = KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    match value.strip_prefix('{') {
        Some(object) => nested(object),
        None => scaled(value, *scale),
    }
}

/// The level in an object that is the value of a level field.
fn nested(object: &str) -> Option<Severity> {
    let object = object.split(['{', '}']).next().unwrap_or(object);
    INSIDE.iter().find_map(|name| {
        let found = memmem::find_iter(object.as_bytes(), name.as_bytes());
        found.into_iter().find_map(|at| {
            let before = object[..at].ends_with('"');
            let rest = object[at + name.len()..].strip_prefix('"')?.trim_start().strip_prefix(':')?;
            if before { value(rest.trim_start()) } else { None }
        })
    })
}

fn scaled(text: &str, scale: Scale) -> Option<Severity> {
    let number = || word_of(text).parse().ok();
    match scale {
        Scale::Usual => value(text),
        Scale::OpenTelemetry => match number() {
            Some(number) => Severity::opentelemetry(number),
            // As protobuf's JSON may write it: `"SEVERITY_NUMBER_ERROR2"`.
            None => text
                .trim_start_matches('"')
                .strip_prefix("SEVERITY_NUMBER_")
                .and_then(|rest| Severity::named(word_of(rest).trim_end_matches(|c: char| c.is_ascii_digit()))),
        },
        Scale::Python => number().and_then(Severity::python),
        Scale::Letter => {
            let quoted = text.strip_prefix('"')?;
            let letter = word_of(quoted);
            // MongoDB counts its levels of detail: `D1` to `D5`.
            let detail = letter.len() == 2 && letter.starts_with('D');
            let letter = if detail { "D" } else { letter };
            Severity::lettered(letter)
        }
    }
}

/// The word at the beginning, quoted or not, and without the colour that winston may put before it.
fn word_of(text: &str) -> &str {
    let text = text.strip_prefix('"').unwrap_or(text);
    let text = text.strip_prefix("\\u001b[").and_then(|rest| Some(rest.split_once('m')?.1)).unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

/// A level as a word or a letter, quoted or not, or as a number.
fn value(text: &str) -> Option<Severity> {
    let word = word_of(text);
    let number = || word.parse().ok().and_then(Severity::numbered);
    number().or_else(|| Severity::named(word)).or_else(|| Severity::lettered(word))
}

fn plain(text: &str) -> Option<Severity> {
    let head = prefix(text, PLAIN_HEAD);
    syslog(head)
        .or_else(|| glog(head.as_bytes()))
        .or_else(|| logfmt(head))
        .or_else(|| lettered(head))
        .or_else(|| column(head))
        .or_else(|| crash(head))
        .or_else(|| word(head))
        .or_else(|| redis(head))
        .or_else(|| access(text))
}

/// `<34>1 2026-…`: the priority is 8 times the facility and the severity (RFC 5424, 6.2.1).
fn syslog(head: &str) -> Option<Severity> {
    let (priority, _) = head.strip_prefix('<')?.split_once('>')?;
    Severity::numbered(priority.parse::<u64>().ok().filter(|priority| *priority < 192)? % 8)
}

/// `E0102 03:04:05.678 …` as glog and klog write, `[E 260102 03:04:05 …]` as tornado does.
fn glog(head: &[u8]) -> Option<Severity> {
    let (letter, rest) = match head {
        [b'[', letter, b' ', rest @ ..] => (letter, rest.get(..6)?),
        [letter, rest @ ..] => (letter, rest.get(..4)?),
        [] => return None,
    };
    if !rest.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match letter {
        b'D' => Some(Severity::Debug),
        b'I' => Some(Severity::Info),
        b'W' => Some(Severity::Warn),
        b'E' | b'F' | b'C' => Some(Severity::Error),
        _ => None,
    }
}

/// `level=warn`, `lvl=eror`, `severity="ERROR"`, `level=50`.
fn logfmt(head: &str) -> Option<Severity> {
    let starts = |at: usize| at == 0 || !head.as_bytes()[at - 1].is_ascii_alphanumeric();
    ["level=", "lvl=", "severity=", "loglevel=", "log_level=", "log.level="].iter().find_map(|key| {
        let found = memmem::find_iter(head.as_bytes(), key);
        found.filter(|at| starts(*at)).find_map(|at| value(&head[at + key.len()..]))
    })
}

/// One letter as the level, before or behind the time. Android's logcat in all its formats (developer.android.com,
/// "Logcat command-line tool"): `E/Tag( 123): …`, `E( 123) …`, `11-25 10:00:00.123  1234  5678 E Tag: …`,
/// `[ 11-25 10:00:00.123  1234: 5678 E/Tag ]`. TensorFlow: `2026-11-25 10:00:00.123456: E tensorflow/…`. MongoDB
/// before 4.4: `2026-11-25T10:00:00.123+0000 E NETWORK  …`. Jupyter: `[E 2026-11-25 10:00:00.123 ServerApp] …`.
/// ESP-IDF: `E (1234) wifi: …`. The CloudWatch agent and Telegraf: `2026-11-25T10:00:00Z E! …`. Others: `E: …`, `[E] …`, `10:00:00 [E] …`, `10:00:00|E|…`.
fn lettered(head: &str) -> Option<Severity> {
    let separator = |c: char| c.is_ascii_whitespace() || c == '|';
    let mut words = head.split(separator).filter(|word| !word.is_empty());
    let first = words.next()?;
    let second = words.clone().next().unwrap_or_default();
    let begins = before_all(first, second, head);
    begins.or_else(|| {
        // `logcat -v monotonic` counts the seconds since the start, before a process and a thread.
        let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let mut timed = since_start(first) && words.clone().take(2).filter(|word| number(word)).count() == 2;
        // A date, a time, a zone, a process, a thread and a user, at most, stand before the letter.
        std::iter::once(first).chain(words).take(8).find_map(|word| {
            timed |= clock(word) || epoch(word);
            (!stamp(word)).then(|| behind_time(word).filter(|_| timed))
        })?
    })
}

/// The letter of a level, as these loggers have them. `A` and `N` begin sentences and names.
fn level(letter: &str) -> Option<Severity> {
    Severity::lettered(letter).filter(|_| "VDTIWEFC".contains(letter))
}

/// A level that is the first thing in a line.
fn before_all(first: &str, second: &str, head: &str) -> Option<Severity> {
    let tagged = |word: &str| {
        let (letter, tag) = word.split_once('/')?;
        level(letter).filter(|_| !tag.is_empty() && head.contains(':'))
    };
    let alone = first.strip_suffix(':').or_else(|| wrapped(first));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    // `E( 123)`, `E(  123:456)`, `E (123)`.
    let process = || {
        let (letter, rest) = head.split_once('(')?;
        let (number, _) = rest.split_once(')')?;
        let number = number.split_ascii_whitespace().collect::<String>();
        level(letter.trim_end()).filter(|_| !number.is_empty() && digits(&number))
    };
    let dated = || level(first.trim_start_matches('[')).filter(|_| stamp(second) && second.contains([':', '-']));
    alone.and_then(level).or_else(|| tagged(first)).or_else(process).or_else(dated)
}

/// A level that stands behind a time: alone, in brackets, before a colon, or with its tag.
fn behind_time(word: &str) -> Option<Severity> {
    let bare = word.strip_suffix([':', ',', '!']).unwrap_or(word);
    let tagged = || bare.split_once('/').map(|(letter, _)| letter);
    // `[2026-11-25 10:00:00][E] …` is one word with the end of the time.
    let closed = || word.split_once("][").and_then(|(time, rest)| stamp(time).then_some(rest.split(']').next()?));
    level(bare)
        .or_else(|| wrapped(bare).and_then(level))
        .or_else(|| tagged().and_then(level))
        .or_else(|| closed().and_then(level))
}

/// What stands in brackets of any kind.
fn wrapped(word: &str) -> Option<&str> {
    let closes = |open: char, close: char| word.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    closes('[', ']').or_else(|| closes('<', '>')).or_else(|| closes('(', ')'))
}

/// Whether a word belongs to what stands before a level: a date, a time, a number, or a user of Android.
fn stamp(word: &str) -> bool {
    if word == "[" {
        return true;
    }
    // `logcat -v uid` names whose process it is.
    let user = word.strip_prefix('u').is_some_and(|rest| rest.contains("_a"))
        || matches!(word, "root" | "system" | "radio" | "shell" | "bluetooth" | "wifi" | "nobody");
    let sign = |byte: u8| byte.is_ascii_digit() || b"-:./,+TZ[]()#".contains(&byte);
    user || (word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().all(sign) && !word.contains("]["))
}

/// Whether a word holds a time of day. An address with a port has a point before.
fn clock(word: &str) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| word.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    memchr::memchr_iter(b':', word.as_bytes()).any(|at| {
        let two = digit(at.checked_sub(1)) && digit(at.checked_sub(2)) && digit(Some(at + 1)) && digit(Some(at + 2));
        let address = at.checked_sub(3).is_some_and(|at| word.as_bytes()[at] == b'.');
        two && !address && !digit(Some(at + 3))
    })
}

/// Seconds since 1970 with a fraction, as `logcat -v epoch` writes them.
fn epoch(word: &str) -> bool {
    word.split_once('.').is_some_and(|(seconds, part)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(seconds) && digits(part) && seconds.len() >= 9
    })
}

/// Seconds with three digits behind the point, as `logcat -v monotonic` writes them.
fn since_start(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    word.split_once('.').is_some_and(|(seconds, part)| digits(seconds) && part.len() == 3 && digits(part))
}

/// A level in small letters, or with a capital, that has a place of its own: between tabs or bars (zap and with it
/// OpenTelemetry's collector, Envoy in Istio, NLog), or as the first word behind the time (swift-log).
fn column(head: &str) -> Option<Severity> {
    let named = |word: &str| {
        let word = word.trim_matches(' ');
        Severity::named(word).filter(|_| word.bytes().all(|byte| byte.is_ascii_alphabetic()))
    };
    let between = |bar: char| {
        let mut parts = head.split(bar);
        // What is first is the time, and what is last the text.
        let first = parts.next().filter(|first| dated(first))?;
        let inner = head.rsplit_once(bar).map(|(inner, _)| inner).filter(|inner| inner.len() > first.len())?;
        inner.split(bar).skip(1).take(2).find_map(named)
    };
    // "2026-11-25 10:00:00 log rotated" is a sentence.
    let alone = |word: &&str| matches!(*word, "trace" | "debug" | "info" | "warn" | "warning" | "error" | "fatal");
    let behind = || {
        let mut words = head.split_ascii_whitespace().skip_while(|word| stamp(word));
        let word = words.next().filter(alone)?;
        let before = head.split_once(word)?.0;
        (dated(before) && words.next().is_some()).then(|| Severity::named(word))?
    };
    between('\t').or_else(|| between('|')).or_else(behind)
}

/// Whether a text is a time, and nothing else.
fn dated(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    words.clone().any(|word| clock(word) || epoch(word) || exponent(word))
        && words.all(|word| stamp(word) || exponent(word))
}

/// `1.7955396001e+09`, as zap writes the time where nothing else is said.
fn exponent(word: &str) -> bool {
    word.split_once("e+").is_some_and(|(number, power)| number.parse::<f64>().is_ok() && power.parse::<u8>().is_ok())
}

/// `1:M 02 Jan 2026 03:04:05.678 # …`: a sign is the level (redis.conf, "loglevel").
fn redis(head: &str) -> Option<Severity> {
    let mut words = head.split(' ');
    let (process, role) = words.next()?.split_once(':')?;
    let process = process.bytes().all(|byte| byte.is_ascii_digit()) && matches!(role, "M" | "S" | "C" | "X");
    let sign = words.nth(4).filter(|_| process)?;
    match sign {
        "#" => Some(Severity::Warn),
        "*" => Some(Severity::Info),
        "-" | "." => Some(Severity::Debug),
        _ => None,
    }
}

/// How a crash begins in Rust, Go, Python, Java and JavaScript.
fn crash(head: &str) -> Option<Severity> {
    const BEGINS: &[&str] = &[
        "panic: ",
        "fatal error: ",
        "Traceback (most recent call last)",
        "Exception in thread ",
        "Caused by: ",
        "Uncaught ",
        "Unhandled ",
        "npm ERR!",
        "npm error ",
        "Fatal error. ",
        "Error in ",
        "Terminating due to ",
        "terminate called ",
        "Segmentation fault",
    ];
    /// Parts of a line that no sentence has.
    const PARTS: &[&str] = &["Exception Group Traceback (most recent", "http: panic serving ", ": exec format error"];
    let first = head.split([':', ' ']).next().unwrap_or_default();
    // `KeyError: 'x'`, `TypeError [ERR_INVALID_ARG_TYPE]: x`, and `asyncio.exceptions.TimeoutError` without more.
    let after = &head[first.len()..];
    let named = after.is_empty() || after.starts_with(':') || after.starts_with(" [ERR_");
    let thrown = named && (first.ends_with("Error") || first.ends_with("Exception"));
    // Behind the name of the thread newer ones tell its number.
    let panicked = head.starts_with("thread '") && head.contains(" panicked at ");
    let begins = BEGINS.iter().any(|begin| head.starts_with(begin)) || PARTS.iter().any(|part| head.contains(part));
    (thrown || panicked || begins).then_some(Severity::Error)
}

/// The first level that stands alone in capitals, in brackets, before a colon, or in a column of its own after
/// a comma. A lower-case word in prose ("no error found") is no level.
fn word(head: &str) -> Option<Severity> {
    let bytes = head.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if (3..=13).contains(&(end - at))
            && stands_out(head, at, end)
            && let Some(severity) = Severity::named(&head[at..end])
        {
            return Some(severity);
        }
        at = end.max(at + 1);
    }
    None
}

/// Whether a word is written as loggers write a level.
fn stands_out(head: &str, at: usize, end: usize) -> bool {
    let bytes = head.as_bytes();
    let (before, after) = (at.checked_sub(1).map(|at| bytes[at]), bytes.get(end).copied());
    // `SOME_ERROR_CODE` and `ERROR1` are names.
    let part = |byte: Option<u8>| byte.is_some_and(|byte| byte == b'_' || byte.is_ascii_digit());
    let shouted = head[at..end].bytes().all(|byte| byte.is_ascii_uppercase()) && !part(before) && !part(after);
    // Some fill the brackets up with blanks.
    let (left, right) = (head[..at].trim_end_matches(' '), head[end..].trim_start_matches(' '));
    let bracketed = left.ends_with(['[', '<', '(']) && right.starts_with([']', '>', ')']);
    let begins = matches!(before, None | Some(b' ' | b'\n' | b']' | b'|'));
    // Zig tells whose it is: `error(server): …`.
    let scoped = || {
        at == 0
            && head[end..].starts_with('(')
            && head[end..].split_once(')').is_some_and(|(_, rest)| rest.starts_with(':'))
    };
    let headed = begins && (right.starts_with(':') || numbered(right) || scoped());
    // Windows' CBS: `2026-11-25 04:30:30, Error                 CBS    …`.
    let column = left.ends_with(',') && (head[end..].starts_with("  ") || after == Some(b'\t'));
    // Apache names the module: `[core:error]`.
    let inside = left.strip_suffix(':').and_then(|left| left.rsplit_once('[')).map(|(_, module)| module);
    let module = right.starts_with(']')
        && inside.is_some_and(|module| module.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    shouted || bracketed || headed || column || module
}

/// The number of a compiler's error, and a colon: `error CS1002: …`.
fn numbered(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < text.len() && digits.len() < rest.len() && digits.starts_with(':')
}

/// The status of a web server's access line: `"GET /mcp HTTP/1.1" 502 …`.
fn access(text: &str) -> Option<Severity> {
    let head = prefix(text, 1_024);
    let after = &head[memmem::find(head.as_bytes(), b" HTTP/")? + 6..];
    let (_, rest) = after.split_once("\" ")?;
    match rest.as_bytes() {
        [b'5', b'0'..=b'9', b'0'..=b'9', b' ', ..] => Some(Severity::Error),
        [b'4', b'0'..=b'9', b'0'..=b'9', b' ', ..] => Some(Severity::Warn),
        _ => None,
    }
}

/// The beginning of a text, at most `bytes` long.
fn prefix(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests;
