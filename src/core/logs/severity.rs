//! How bad a line is, found in the shapes that common loggers write.

use memchr::memmem;

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
            (Severity::Debug, &["trace", "debug", "verbose", "trc", "dbg", "vrb", "fine", "finer", "finest"]),
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

    /// Finds it in a sanitised line.
    pub fn of(text: &str) -> Self {
        match text.as_bytes().first() {
            None => None,
            Some(b'{') => json(text),
            Some(_) => plain(text),
        }
        .unwrap_or_default()
    }
}

/// How far into a JSON line its level is looked for, in bytes.
const JSON_HEAD: usize = 16 * 1024;
/// How far into a plain line, in bytes: levels stand near the beginning.
const PLAIN_HEAD: usize = 160;

/// Names of the field that holds the level, in any case.
const KEYS: &[&str] = &[
    "level",
    "severity",
    "lvl",
    "loglevel",
    "log_level",
    "log.level",
    "levelname",
    "level_name",
    "severitytext",
    "severity_text",
    "@l",
    "@level",
];
/// A part of each of those names: what is searched for.
const PARTS: &[&[u8]] = &[b"evel", b"everity", b"lvl\"", b"\"@l\""];

/// The value of the first level field, without parsing the object. A quotation mark inside a string
/// is escaped in JSON, so a message that quotes a level is not taken for one.
fn json(text: &str) -> Option<Severity> {
    let head = prefix(text, JSON_HEAD);
    PARTS.iter().find_map(|part| memmem::find_iter(head.as_bytes(), part).find_map(|at| level_field(head, at)))
}

fn level_field(text: &str, at: usize) -> Option<Severity> {
    let open = if text.as_bytes()[at] == b'"' { at } else { text[..at].rfind('"')? };
    let (key, rest) = text[open + 1..].split_once('"')?;
    if !KEYS.iter().any(|one| one.eq_ignore_ascii_case(key)) {
        return None;
    }
    value(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// A level as a word, quoted or not, or as a number.
fn value(text: &str) -> Option<Severity> {
    let text = text.strip_prefix('"').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let word = &text[..end];
    word.parse().ok().and_then(Severity::numbered).or_else(|| Severity::named(word))
}

fn plain(text: &str) -> Option<Severity> {
    let head = prefix(text, PLAIN_HEAD);
    syslog(head)
        .or_else(|| glog(head.as_bytes()))
        .or_else(|| logfmt(head))
        .or_else(|| crash(head))
        .or_else(|| word(head))
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
    ["level=", "lvl=", "severity="].iter().find_map(|key| {
        let found = memmem::find_iter(head.as_bytes(), key);
        found.filter(|at| starts(*at)).find_map(|at| value(&head[at + key.len()..]))
    })
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
    ];
    let first = head.split([':', ' ']).next().unwrap_or_default();
    let named = head.as_bytes().get(first.len()) == Some(&b':');
    let thrown = named && (first.ends_with("Error") || first.ends_with("Exception"));
    let panicked = head.starts_with("thread '") && head.contains("' panicked at");
    (thrown || panicked || BEGINS.iter().any(|begin| head.starts_with(begin))).then_some(Severity::Error)
}

/// The first level that stands alone in capitals, or in brackets or before a colon. A lower-case
/// word in prose ("no error found") is no level.
fn word(head: &str) -> Option<Severity> {
    let bytes = head.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if (3..=13).contains(&(end - at)) {
            let word = &head[at..end];
            let before = at.checked_sub(1).map(|at| bytes[at]);
            let after = bytes.get(end).copied();
            // `SOME_ERROR_CODE` and `ERROR1` are names.
            let part = |byte: Option<u8>| byte.is_some_and(|byte| byte == b'_' || byte.is_ascii_digit());
            let shouted = word.bytes().all(|byte| byte.is_ascii_uppercase()) && !part(before) && !part(after);
            let bracketed = matches!(before, Some(b'[' | b'<' | b'(')) && matches!(after, Some(b']' | b'>' | b')'));
            let headed = after == Some(b':') && matches!(before, None | Some(b' ' | b']' | b'|'));
            if (shouted || bracketed || headed)
                && let Some(severity) = Severity::named(word)
            {
                return Some(severity);
            }
        }
        at = end.max(at + 1);
    }
    None
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
mod tests {
    use super::Severity::{self, Debug, Error, Info, Warn};
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"ts":"x","level":"warn","event":"request"}"#, Warn)]
    #[case(r#"{"severity": "ERROR"}"#, Error)]
    #[case(r#"{"message":"a long one","LogLevel":"Warning"}"#, Warn)]
    #[case(r#"{"log.level":"debug","message":"ECS of Elastic"}"#, Debug)]
    #[case(r#"{"log":{"level":"error"}}"#, Error)]
    #[case(r#"{"lvl":"eror","msg":"log15"}"#, Error)]
    #[case(r#"{"@t":"x","@l":"Fatal"}"#, Error)]
    #[case(r#"{"level":50,"msg":"pino"}"#, Error)]
    #[case(r#"{"level" : 40}"#, Warn)]
    #[case(r#"{"level":30}"#, Info)]
    #[case(r#"{"level":20}"#, Debug)]
    #[case(r#"{"level":3,"host":"GELF"}"#, Error)]
    #[case(r#"{"msg":"he said \"level\":\"error\"","level":"info"}"#, Info)]
    #[case(r#"{"levels":"error","elevel":"error"}"#, Info)]
    #[case(r#"{"event":"request"}"#, Info)]
    #[case(r#"{"level":"#, Info)]
    #[case("time=2026-01-01T00:00:00Z level=warn msg=\"slow\"", Warn)]
    #[case("ts=1 lvl=eror msg=x", Error)]
    #[case("severity=\"ERROR\" x=1", Error)]
    #[case("level=50 msg=pino", Error)]
    #[case("mylevel=error msg=x", Info)]
    #[case("<11>Jan  2 03:04:05 host app: it broke", Error)]
    #[case("<165>1 2026-01-02T03:04:05Z host app - - - all well", Info)]
    #[case("<12>1 2026-01-02T03:04:05Z host app", Warn)]
    #[case("E0102 03:04:05.678901   1 main.go:10] broke", Error)]
    #[case("W0102 03:04:05.678901   1 main.go:10] odd", Warn)]
    #[case("I0102 03:04:05.678901   1 main.go:10] ERROR is only text", Info)]
    #[case("[E 260102 03:04:05 web:1] tornado", Error)]
    #[case("ERROR:root:python's default", Error)]
    #[case("2026-01-02 03:04:05,678 - app.db - WARNING - slow", Warn)]
    #[case("Traceback (most recent call last):", Error)]
    #[case("ValueError: bad", Error)]
    #[case("java.lang.NullPointerException: null", Error)]
    #[case("2026-01-02 03:04:05.678 ERROR 1 --- [main] c.e.Demo : spring", Error)]
    #[case("Jan 02, 2026 3:04:05 AM com.example.App run SEVERE: java.util.logging", Error)]
    #[case("Exception in thread \"main\" java.lang.IllegalStateException", Error)]
    #[case("2026/01/02 03:04:05 [error] 29#29: *1 open() failed", Error)]
    #[case("2026/01/02 03:04:05 [crit] 29#29: *1 SSL_do_handshake() failed", Error)]
    #[case("2026/01/02 03:04:05 [notice] 1#1: start worker", Info)]
    #[case(r#"10.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /mcp HTTP/1.1" 502 157 "-" "curl""#, Error)]
    #[case(r#"10.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /x HTTP/1.1" 404 157 "-" "curl""#, Warn)]
    #[case(r#"10.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 200 500 "-" "curl""#, Info)]
    #[case("2026-01-02T03:04:05.678Z  WARN gangway::auth: slow issuer", Warn)]
    #[case("[2026-01-02T03:04:05Z DEBUG app] env_logger", Debug)]
    #[case("[03:04:05 WRN] serilog", Warn)]
    #[case("2026-01-02 03:04:05.678 UTC [1] FATAL:  postgres", Error)]
    #[case("2026-01-02 03:04:05.678 UTC [1] LOG:  checkpoint ERROR", Info)]
    #[case("thread 'main' panicked at src/main.rs:2:5:", Error)]
    #[case("panic: runtime error: index out of range", Error)]
    #[case("2026-01-01 ERROR it broke", Error)]
    #[case("[warn] it may break", Warn)]
    #[case("warning: odd", Warn)]
    #[case("all went well, no error found", Info)]
    #[case("exit code SOME_ERROR_CODE", Info)]
    #[case("", Info)]
    #[case("東京 ERROR 失敗", Error)]
    fn the_severity_is_found_in_common_formats(#[case] text: &str, #[case] expected: Severity) {
        assert_eq!(Severity::of(text), expected);
    }
}
