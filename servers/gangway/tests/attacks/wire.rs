//! Requests that a proxy and a server might end in different places, or of which
//! they might see different headers.
//!
//! Where one is not refused outright, its second half is not answered: there is
//! one answer, and the connection is closed.

use crate::support::list;
use crate::{Case, JSON, authorized, good, listing, plain, request};

const SMUGGLED: &str = "POST /clock/mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Length: 0\r\n\r\n";

/// The table as cases.
pub fn cases() -> Vec<Case> {
    let case = |(name, request, status): (&str, Vec<u8>, u16)| Case {
        name: name.to_owned(),
        request,
        status,
        says: "",
        secret: good(),
    };
    [lengths(), lines()].into_iter().flatten().map(case).collect()
}

/// Two opinions on where the body ends.
fn lengths() -> Vec<(&'static str, Vec<u8>, u16)> {
    let with =
        |lines: &str, body: &str| request(&format!("{}{JSON}Connection: keep-alive\r\n{lines}", authorized()), body);
    let empty = format!("0\r\n\r\n{SMUGGLED}");
    let body = list().to_string();
    let short = format!("Content-Length: {}\r\nContent-Length: {}\r\n", body.len(), body.len() + SMUGGLED.len());
    let length = empty.len();
    let chunked = |head: &str, chunks: &str| with(head, chunks);
    vec![
        (
            "length, then chunked",
            with(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), &empty),
            400,
        ),
        (
            "chunked, then length",
            with(&format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), &empty),
            400,
        ),
        ("two lengths", with(&short, &format!("{body}{SMUGGLED}")), 400),
        ("two lengths in one", with("Content-Length: 5, 6\r\n", &body), 400),
        ("length with a sign", with("Content-Length: +5\r\n", &body), 400),
        ("length below nought", with("Content-Length: -1\r\n", &body), 400),
        ("length in hexadecimal", with("Content-Length: 0x5\r\n", &body), 400),
        ("length with a space", with("Content-Length: 5 5\r\n", &body), 400),
        ("empty length", with("Content-Length:\r\n", &body), 400),
        ("not chunked", with("Transfer-Encoding: identity\r\n", &body), 400),
        ("nearly chunked", with("Transfer-Encoding: xchunked\r\n", &empty), 400),
        ("chunked, then something", with("Transfer-Encoding: chunked, identity\r\n", &empty), 400),
        ("chunked, then compressed", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", &empty), 400),
        ("space before the colon", with("Transfer-Encoding : chunked\r\n", &empty), 400),
        ("length with a space before the colon", with(&format!("Content-Length : {length}\r\n"), &empty), 400),
        ("chunk size that is no number", chunked("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), 400),
        ("chunk size with a sign", chunked("Transfer-Encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n"), 400),
        ("chunk size with a prefix", chunked("Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n"), 400),
        (
            "chunk size without bounds",
            chunked("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
            400,
        ),
        ("chunk longer than its size", chunked("Transfer-Encoding: chunked\r\n", "1\r\n{}\r\n0\r\n\r\n"), 400),
        ("chunk ended by a bare line feed", chunked("Transfer-Encoding: chunked\r\n", "2\n{}\n0\n\n"), 400),
    ]
}

/// Two opinions on where a line ends, or what a name is.
fn lines() -> Vec<(&'static str, Vec<u8>, u16)> {
    let good = good();
    let line = |line: &str| listing(&format!("{line}\r\n"));
    let raw = |text: &str| text.as_bytes().to_vec();
    vec![
        ("folded line", line(&format!("Authorization: Bearer\r\n {good}")), 400),
        ("token on a folded line", line(&format!("X: y\r\n Authorization: Bearer {good}")), 400),
        ("token behind a carriage return", line(&format!("X: y\rAuthorization: Bearer {good}")), 400),
        ("token behind NUL", line(&format!("X: y\0Authorization: Bearer {good}")), 400),
        ("NUL in the token", line(&format!("Authorization: Bearer \0{good}")), 400),
        ("escape in the token", line(&format!("Authorization: Bearer \u{1b}{good}")), 400),
        ("space before the token's colon", line(&format!("Authorization : Bearer {good}")), 400),
        ("space before the token's name", line(&format!(" Authorization: Bearer {good}")), 400),
        ("no colon", line(&format!("Authorization Bearer {good}")), 400),
        ("no name", line(&format!(": Bearer {good}")), 400),
        ("name in brackets", line(&format!("(Authorization): Bearer {good}")), 400),
        ("bad token behind a bare line feed", line(&format!("X: y\nAuthorization: Bearer x{good}")), 401),
        (
            "two tokens, one behind a bare line feed",
            line(&format!("Authorization: Bearer {good}\nAuthorization: Bearer x")),
            400,
        ),
        ("no version", raw("POST /clock/mcp\r\n\r\n"), 400),
        ("a version that is not", raw("POST /clock/mcp HTTP/9.9\r\nHost: mcp.example.com\r\n\r\n"), 400),
        ("HTTP/2 by prior knowledge", raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0),
        (
            "HTTP/1.0 and chunked",
            {
                let head =
                    format!("POST /clock/mcp HTTP/1.0\r\nHost: mcp.example.com\r\nAuthorization: Bearer {good}\r\n");
                raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
            },
            400,
        ),
        (
            "a space in the target",
            raw(&format!(
                "POST /clock/mcp x HTTP/1.1\r\nHost: mcp.example.com\r\nAuthorization: Bearer {good}\r\n\r\n"
            )),
            400,
        ),
        ("a TLS greeting", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
    ]
}

/// Requests that must be taken.
pub fn accepted() -> Vec<(&'static str, Vec<u8>)> {
    let body = list().to_string();
    let head = plain(&body).replace(&format!("Content-Length: {}", body.len()), "Transfer-Encoding: chunked");
    let chunked = |chunks: String| request(&format!("{}{head}", authorized()), &chunks);
    let (first, second) = body.split_at(9);
    vec![
        ("chunked", chunked(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))),
        ("two chunks", chunked(format!("9\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n\r\n", second.len()))),
        ("the same length twice", listing(&format!("{}Content-Length: {}\r\n", authorized(), body.len()))),
    ]
}
