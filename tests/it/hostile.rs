//! No log line changes the screen outside its cell, whatever it holds, and none is expensive to draw.

use crate::support::hostile::stays_in_its_cell;
use proptest::prelude::*;
use quarterdeck::core::logs::{Line, LogEvent};
use quarterdeck::core::text::{MAX_LINE, sanitise_event};
use rstest::rstest;

#[rstest]
#[case::clears_the_screen("\u{1b}[2J\u{1b}[H owned")]
#[case::sets_the_title("\u{1b}]0;owned\u{7}")]
#[case::takes_the_clipboard("\u{1b}]52;c;ZXZpbA==\u{1b}\\")]
#[case::c1_controls("\u{9b}2J\u{90}q\u{9c}\u{85}next line")]
#[case::alternate_screen("\u{1b}[?1049h\u{1b}[?2004h\u{1b}=\u{1b}c")]
#[case::never_ending_string("\u{1b}Pnever ends")]
#[case::device_report("\u{1b}[6n\u{1b}[c\u{5}")]
#[case::newlines("a\nb\r\nc\u{b}d\u{c}e\u{2028}f\u{2029}g")]
#[case::backspaces("safe\u{8}\u{8}\u{8}\u{8}evil\u{7f}")]
#[case::bidi("user\u{202e}\u{2066}txt.exe\u{2069}\u{2067}")]
#[case::zero_width("a\u{200b}b\u{200d}c\u{2060}d\u{feff}e\u{ad}f\u{34f}g")]
#[case::stacked_marks("Z\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}a")]
#[case::leading_mark("\u{301}\u{20dd}x")]
#[case::wide("東京東京東京東京東京東京東京東京東京東京東京東京東京東京東京東京東京東京東京東京東京東京")]
#[case::emoji("👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ☺️ ⌚︎ 1️⃣")]
#[case::jamo("\u{1100}\u{1161}\u{11a8}\u{115f}\u{1160}\u{3164}\u{ffa0}")]
#[case::tags_and_private_use("\u{e0001}\u{e0041}\u{e000}\u{f0000}\u{10ffff}")]
#[case::indic_and_thai("क्षि नमस्ते กำ ที่ ลู้")]
#[case::hostile_json("{\"level\":\"error\",\"a\u{1b}[2J\":\"\\u001b[2J\\u202e\\u0007\",\"message\":\"x\\ny\"}")]
#[case::nested_json("{\"a\":[\"\\u202e\\u001b[2J\\u2066x\"],\"b\":{\"\\u202e\":1}}")]
#[case::shift_in_and_out("\u{e}lqqk\u{f}")]
fn a_known_attack_stays_in_its_cell(#[case] message: &str) {
    stays_in_its_cell(message, "a/b/c");
    stays_in_its_cell("x", &format!("a/b/{message}"));
}

/// Pieces that terminals take for commands, or that are wider or narrower than they look.
fn piece() -> impl Strategy<Value = String> {
    let known = [
        "\u{1b}",
        "[",
        "]",
        "?",
        ";",
        "2J",
        "H",
        "\u{9b}",
        "\u{9d}",
        "\u{7}",
        "\\",
        "\u{1b}[",
        "\u{1b}]8;;http://x\u{7}",
        "\u{202e}",
        "\u{200d}",
        "\u{fe0f}",
        "\u{301}",
        "\u{1161}",
        "\u{e0020}",
        "東",
        "👩‍👧",
        "🇩",
        "\r",
        "\n",
        "\t",
        "\u{0}",
        "{\"a\":\"",
        "\"}",
        "\\u001b",
        "\\u200f",
        "e\u{301}",
        "ﷺ",
        "𒐫",
        "\u{a8f2}",
        "\u{1f3fb}",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        "[ -~]{1,4}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_line_stays_in_its_cell(pieces in prop::collection::vec(piece(), 0..60), stream in prop::collection::vec(piece(), 0..8)) {
        stays_in_its_cell(&pieces.concat(), &stream.concat());
    }

    /// Text that is not UTF-8 reaches the decoder with its bad bytes replaced.
    #[test]
    fn any_bytes_stay_in_their_cell(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        stays_in_its_cell(&String::from_utf8_lossy(&bytes), "a/b/c");
    }
}

#[rstest]
#[case::plain("x")]
#[case::wide("東")]
#[case::marked("a\u{301}\u{302}\u{303}\u{304}\u{305}")]
#[case::spaces("a ")]
#[case::escapes("\u{1b}[31mred")]
fn a_megabyte_is_kept_whole_and_stays_in_its_cell(#[case] unit: &str) {
    let message = unit.repeat(MAX_LINE / unit.len());
    stays_in_its_cell(&message, "a/b/c");
    stays_in_its_cell(&format!("{{\"message\":\"{message}\"}}"), "a/b/c");
    assert!(!sanitise_event(&message).contains("bytes in all"), "what CloudWatch takes is kept");
}

#[test]
fn deep_json_is_a_line_like_any_other() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    stays_in_its_cell(&deep, "a/b/c");
    let event = LogEvent { timestamp: 0, ingested: 0, group: "g".into(), stream: "s".into(), message: deep };
    let line = Line::decode(&event);
    let expression = quarterdeck::core::logs::Expression::parse("a.b=1").expect("an expression");
    assert!(!expression.matches(line.view()));
}
