//! What a flood of log lines costs: taking them in, and drawing a frame over them.
//!
//! Figures against the budgets of the design: 1 million lines a second through decode, sanitise,
//! filter and store; no frame later than 50 ms.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use quarterdeck::core::identity::Context;
use quarterdeck::core::keymap::Keymap;
use quarterdeck::core::logs::{Line, LogEvent};
use quarterdeck::core::model::{Model, Screen};
use quarterdeck::core::screens::logs;
use quarterdeck::ui::{self, theme::Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const LINES: i64 = 500_000;
const BATCH: usize = 1_000;

fn event(at: i64) -> LogEvent {
    let message = format!(
        r#"{{"ts":"2026-01-01T00:00:00Z","level":"info","event":"request","server":"time","method":"tools/call","tool":"convert_time","client":"abc","status":200,"latency_ms":0.6,"request_id":"{at:016x}"}}"#
    );
    let (group, stream) = ("/quarterdeck/local/time".into(), format!("time/time/{:032x}", at % 7));
    LogEvent { timestamp: at, ingested: at, group, stream, message }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events: Vec<LogEvent> = (0..LINES).map(event).collect();
    let mut model = Model::new(Context::default(), Keymap::default(), Timestamp::UNIX_EPOCH, (200, 50));
    model.screen = Screen::Logs;
    let began = Instant::now();
    for batch in events.chunks(BATCH) {
        logs::lines(&mut model, 0, batch.iter().map(Line::decode).collect());
    }
    let took = began.elapsed();
    println!("take in: {:.0} lines/s ({LINES} lines in {took:.2?})", LINES as f64 / took.as_secs_f64());

    let theme = Theme::dark(TimeZone::UTC);
    let mut terminal = Terminal::new(TestBackend::new(200, 50))?;
    let mut worst = Duration::ZERO;
    let began = Instant::now();
    for frame in 0..200 {
        logs::lines(
            &mut model,
            0,
            (0..BATCH as i64).map(|at| Line::decode(&event(LINES + frame * 1_000 + at))).collect(),
        );
        let start = Instant::now();
        terminal.draw(|frame| ui::draw(&model, &theme, frame))?;
        worst = worst.max(start.elapsed());
    }
    println!("frame at 200x50: worst {worst:.2?}, with 1000 new lines each {:.2?}", began.elapsed() / 200);
    Ok(())
}
