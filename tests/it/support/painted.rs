//! A console drawn into a buffer, and the buffer as text.

use jiff::tz::TimeZone;
use quarterdeck::console::model::Model;
use quarterdeck::ui::{Theme, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

use super::Console;

/// The smallest terminal that is usable.
pub const SMALL: (u16, u16) = (80, 24);
pub const MIDDLE: (u16, u16) = (120, 40);
pub const LARGE: (u16, u16) = (200, 50);

/// The theme of the tests.
pub fn dark() -> Theme {
    Theme::from_name("dark", TimeZone::UTC).expect("a theme")
}

/// What is drawn, and where the cursor is.
pub fn painted(model: &Model, theme: &Theme, (columns, rows): (u16, u16)) -> (Buffer, Option<(u16, u16)>) {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    let mut cursor = None;
    let buffer = terminal
        .draw(|frame| {
            draw(model, theme, frame);
        })
        .expect("drawn")
        .buffer
        .clone();
    if let Ok(position) = ratatui::backend::Backend::get_cursor_position(terminal.backend_mut())
        && (position.x, position.y) != (0, 0)
    {
        cursor = Some((position.x, position.y));
    }
    (buffer, cursor)
}

/// The text of a buffer.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let (mut line, mut x) = (String::new(), 0);
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(symbol.width().max(1)).expect("narrow");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The text of a console in a terminal of this size.
pub fn screen(console: &Console, size: (u16, u16)) -> String {
    let mut model = console.model.clone();
    model.size = size;
    text(&painted(&model, &dark(), size).0)
}

/// The row of the header with the tabs and what is counted. It is the same on every screen and has
/// snapshots of its own, so that a new screen changes those alone.
pub const TABS: usize = 1;

/// The text of a console without the row of the tabs.
pub fn body(console: &Console, size: (u16, u16)) -> String {
    let lines: Vec<String> = screen(console, size).lines().map(str::to_owned).collect();
    let kept = lines.into_iter().enumerate().filter(|(row, _)| *row != TABS);
    kept.map(|(_, line)| line + "\n").collect()
}

/// Every size.
pub const ALL: &[(u16, u16)] = &[SMALL, MIDDLE, LARGE];
