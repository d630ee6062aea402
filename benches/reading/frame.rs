//! A frame: the log screen drawn over half a million lines, while lines arrive.

use std::time::{Duration, Instant};

use criterion::Criterion;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use quarterdeck::console::keymap::Keymap;
use quarterdeck::console::model::Model;
use quarterdeck::console::screens::Screen;
use quarterdeck::console::screens::logs;
use quarterdeck::core::identity::Context;
use quarterdeck::core::logs::Line;
use quarterdeck::ui::{self, theme::Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::support::{Budgets, best, event, group, millis};

const LINES: i64 = 500_000;
/// At 50,000 lines a second and 50 frames a second.
const ARRIVING: i64 = 1_000;

/// The lines from `first` on come to the model, `count` of them.
fn arrive(model: &mut Model, first: i64, count: i64) {
    logs::lines(model, 0, (first..first + count).map(|at| Line::decode(&event(at))).collect());
}

pub fn run(criterion: &mut Criterion, budgets: &mut Budgets) {
    let mut model = Model::new(Context::default(), Keymap::default(), Timestamp::UNIX_EPOCH, (200, 50));
    model.screen = Screen::Logs;
    for first in (0..LINES).step_by(1_000) {
        arrive(&mut model, first, 1_000);
    }
    let theme = Theme::dark(TimeZone::UTC);
    let mut terminal = Terminal::new(TestBackend::new(200, 50)).expect("a terminal in memory has no way to fail");
    let (mut next, mut worst) = (LINES, Duration::ZERO);
    let frame = || {
        let began = Instant::now();
        arrive(&mut model, next, ARRIVING);
        next += ARRIVING;
        let drawn = terminal.draw(|frame| {
            ui::draw(&model, &theme, frame);
        });
        drawn.expect("a terminal in memory has no way to fail");
        worst = worst.max(began.elapsed());
        began.elapsed()
    };
    if best(&mut group(criterion, "frame", ARRIVING), "200x50 with 1,000 new lines", frame).is_some() {
        budgets.at_most("frame at 200x50 with 1,000 new lines, the worst", millis(worst), 50.0, "ms");
    }
}
