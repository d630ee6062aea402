//! A hostile log line against a real terminal's rules: what it must not do.
//!
//! Used by the property test and by the fuzz target.

use std::num::NonZeroU16;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use quarterdeck::console::keymap::Keymap;
use quarterdeck::console::model::Model;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::screens::Screen;
use quarterdeck::console::update::update;
use quarterdeck::core::identity::Context;
use quarterdeck::core::logs::{Line, LogEvent};
use quarterdeck::ui::{Theme, draw};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
/// Rows above the log lines: header, tabs, two lines of status.
const HEAD: usize = 4;

/// Whether the terminal was told to do more than to show text.
#[derive(Default)]
struct Watch(bool);

impl vt100::Callbacks for Watch {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0 = true;
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0 = true;
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], _: &[u8]) {
        self.0 = true;
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, _: &[&[u8]]) {
        self.0 = true;
    }
}

fn model(message: &str, stream: &str, wrap: bool) -> Model {
    let mut model = Model::new(Context::default(), Keymap::default(), Timestamp::UNIX_EPOCH, (COLUMNS, ROWS));
    model.screen = Screen::Logs;
    model.screens.logs.wrap = wrap;
    let event = |timestamp: i64, message: &str, stream: &str| LogEvent {
        timestamp,
        ingested: timestamp,
        group: "/quarterdeck/local/time".into(),
        stream: stream.into(),
        message: message.into(),
    };
    let lines = [event(1, "first", "a/b/c"), event(2, message, stream), event(3, "last", "a/b/c")];
    update(&mut model, Msg::Lines(0, lines.iter().map(Line::decode).collect()));
    model
}

/// What a terminal shows after a frame, row by row, and where it has left the cursor and the modes.
fn on_terminal(model: &Model) -> (Vec<String>, bool) {
    let mut bytes = Vec::new();
    let viewport = Viewport::Fixed(Rect::new(0, 0, COLUMNS, ROWS));
    let backend = CrosstermBackend::new(&mut bytes);
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport }).expect("a terminal");
    let theme = Theme::from_name("dark", TimeZone::UTC).expect("a theme");
    terminal
        .draw(|frame| {
            draw(model, &theme, frame);
        })
        .expect("drawn");
    drop(terminal);
    let size = |cells: u16| NonZeroU16::new(cells).expect("not none");
    let mut parser = vt100::Parser::new_with_callbacks(size(ROWS), size(COLUMNS), 100, Watch::default());
    parser.process(&bytes);
    let screen = parser.screen();
    let modes = screen.alternate_screen() || screen.bracketed_paste() || screen.application_keypad();
    let changed = modes || parser.callbacks().0;
    (screen.rows(0, COLUMNS).map(|row| row.trim_end().to_owned()).collect(), changed)
}

/// Draws a line and checks that it changed nothing but its own cells.
pub fn stays_in_its_cell(message: &str, stream: &str) {
    for wrap in [false, true] {
        let model = model(message, stream, wrap);
        let (rows, changed) = on_terminal(&model);
        let (plain, _) = on_terminal(&self::model("plain", "a/b/c", wrap));
        assert!(!changed, "a mode of the terminal was changed by {message:?}");
        assert_eq!(rows.len(), usize::from(ROWS));
        assert_eq!(rows[..HEAD], plain[..HEAD], "the head was changed by {message:?}");
        assert_eq!(rows[usize::from(ROWS) - 1], plain[usize::from(ROWS) - 1], "the footer: {message:?}");
        if !wrap {
            assert_eq!(rows[HEAD], plain[HEAD], "the line before: {message:?}");
            assert_eq!(rows[HEAD + 2], plain[HEAD + 2], "the line after: {message:?}");
            assert_eq!(rows[HEAD + 3..], plain[HEAD + 3..], "the rows below: {message:?}");
        }
        let control = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!rows.iter().any(|row| row.chars().any(control)), "{rows:?}");
    }
}
