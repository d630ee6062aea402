//! Clicks: on rows, tabs and lists.

use crate::support::painted::{MIDDLE, dark, painted, text};
use crate::support::{Console, World, at, fixtures, logs};
use quarterdeck::console::dialogs::Dialog;
use quarterdeck::console::msg::Msg;
use quarterdeck::console::screens::{Screen, fleet};
use quarterdeck::core::logs::TailState;
use quarterdeck::ui;

/// Draws, as the driver does before each event, and gives where it draws a text: column, row.
fn find(console: &mut Console, wanted: &str) -> (u16, u16) {
    console.model.size = MIDDLE;
    let buffer = painted(&console.model, &dark(), MIDDLE).0;
    console.model.hits = ui::hits(&console.model, &dark(), &buffer);
    let drawn = text(&buffer);
    let found = drawn.lines().enumerate().find_map(|(row, line)| Some((line.find(wanted)?, row)));
    let (column, row) = found.unwrap_or_else(|| panic!("{wanted} in\n{drawn}"));
    let column = drawn.lines().nth(row).map_or(0, |line| line[..column].chars().count());
    (u16::try_from(column).expect("narrow"), u16::try_from(row).expect("short"))
}

fn click(console: &mut Console, wanted: &str) {
    let (column, row) = find(console, wanted);
    console.send(Msg::Click(column, row));
}

fn selected(console: &Console) -> Option<String> {
    fleet::view(&console.model).selected_key().map(str::to_owned)
}

#[test]
fn a_click_selects_a_row_and_a_double_click_opens_it() {
    let mut console = Console::new();
    click(&mut console, "weather ");
    assert_eq!((selected(&console).as_deref(), fleet::opened(&console.model)), (Some("weather"), None));
    // Too late for a double click.
    console.tick(2);
    click(&mut console, "weather ");
    assert_eq!(fleet::opened(&console.model), None);
    click(&mut console, "weather ");
    assert_eq!(fleet::opened(&console.model), Some("weather"));
    // The third click begins anew.
    click(&mut console, "running");
    assert_eq!(fleet::opened(&console.model), Some("weather"));
}

#[test]
fn a_double_click_opens_what_the_first_one_selected_although_the_list_has_moved() {
    let mut world = fixtures::world();
    world.fleet.servers = (0..200).map(|n| fixtures::server(&format!("server-{n:03}"), 1)).collect();
    let mut console = Console::with(World { ..world });
    console.model.viewport.rows = 12;
    console.keys("<ctrl-f><ctrl-f>");
    let (column, row) = find(&mut console, "server-027");
    console.send(Msg::Click(column, row));
    assert_eq!(selected(&console).as_deref(), Some("server-027"));
    find(&mut console, "server-027");
    console.send(Msg::Click(column, row));
    assert_eq!(fleet::opened(&console.model), Some("server-027"));
}

#[test]
fn a_click_on_a_tab_shows_its_screen() {
    let mut console = Console::new();
    click(&mut console, "Clients");
    assert_eq!(console.model.screen, Screen::Clients);
    click(&mut console, "Fleet");
    assert_eq!(console.model.screen, Screen::Fleet);
}

#[test]
fn a_click_beside_everything_does_nothing() {
    let mut console = Console::new();
    let before = (selected(&console), console.model.screen);
    find(&mut console, "time");
    for (column, row) in [(0, 0), (110, 1), (5, 3), (0, 38), (3, 39), (119, 39), (500, 500)] {
        console.send(Msg::Click(column, row));
        console.tick(i64::from(row));
    }
    assert_eq!((selected(&console), console.model.screen), before);
    assert!(console.model.dialogs.is_empty() && console.model.now >= at(0));
}

#[test]
fn a_click_chooses_from_a_list() {
    let mut console = Console::new();
    console.model.themes = vec!["dark".into(), "light".into(), "terminal".into()];
    console.keys(":theme<enter>");
    click(&mut console, "terminal");
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Choose { selected: 2, .. })));
    click(&mut console, "terminal");
    assert_eq!(console.model.theme, "terminal");
    // A text to read has nothing to choose.
    console.keys("?");
    click(&mut console, "everywhere");
    assert!(matches!(console.model.dialogs.last(), Some(Dialog::Help { .. })));
}

#[test]
fn a_click_selects_a_line_of_the_log() {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    // The newest line is followed until one is selected.
    console.keys("k");
    click(&mut console, "slowly");
    let line = console.model.screens.logs.selected().map(|line| line.text.to_owned());
    assert!(line.as_ref().is_some_and(|line| line.contains("slowly")), "{line:?}");
}

#[test]
fn help_is_searched_by_typing() {
    let mut console = Console::new();
    console.keys("?region");
    find(&mut console, "ctrl-r");
    let shown = text(&painted(&console.model, &dark(), MIDDLE).0);
    assert!(shown.contains("go to another region") && !shown.contains("start a new deployment"), "{shown}");
    insta::assert_snapshot!("help-searched@80x24", crate::support::painted::body(&console, (80, 24)));
    console.keys("xyz");
    find(&mut console, "no key does that");
    console.keys("<esc>quarantine client");
    find(&mut console, "keep the selected client out for a time");
    find(&mut console, "(Clients)");
    console.keys("<esc>");
    find(&mut console, "logs of the selected server");
    console.keys("?");
    assert!(console.model.dialogs.is_empty());
}

#[test]
fn on_the_histogram_a_click_goes_to_a_time_and_a_drag_through_the_times() {
    let mut console = Console::new();
    let lines = (0..4_000).map(|n| logs::line("time", "a", -4_000 + n, &format!("line {n}"))).collect();
    console.logs(lines, TailState::Live);
    console.keys("h");
    find(&mut console, "errors");
    let chart = console.model.hits.chart.expect("a chart");
    let (first, last) = console.model.screens.logs.store.span().expect("lines");
    let at = |console: &Console| console.model.screens.logs.selected().expect("a line").at;
    let expected = |column: u16| first + (last - first + 1) * i64::from(column) / i64::from(chart.columns);
    // Beside it, a drag is none.
    console.send(Msg::Click(chart.from, chart.rows.1 + 2));
    let before = at(&console);
    console.send(Msg::Drag(chart.from));
    assert_eq!(at(&console), before);
    for column in [chart.columns / 2, 0, chart.columns - 1] {
        console.send(Msg::Click(chart.from + column, chart.rows.0));
        assert!((at(&console) - expected(column)).abs() <= 1, "column {column}: {}", at(&console));
        // The mark of the selection is drawn where the click was.
        let drawn = painted(&console.model, &dark(), MIDDLE).0;
        let cell = &drawn[(chart.from + column, chart.rows.0)];
        assert!(cell.modifier.contains(ratatui::style::Modifier::REVERSED), "column {column}");
    }
    console.send(Msg::Drag(chart.from + 3));
    assert!((at(&console) - expected(3)).abs() <= 1);
    console.send(Msg::Drag(0));
    assert_eq!(at(&console), first, "as far as it goes");
    console.send(Msg::Drag(u16::MAX));
    assert!((at(&console) - expected(chart.columns - 1)).abs() <= 1);
    // Whoever clicks elsewhere begins anew.
    console.send(Msg::Click(chart.from, chart.rows.1 + 2));
    let before = at(&console);
    console.send(Msg::Drag(chart.from));
    assert_eq!(at(&console), before);
}
