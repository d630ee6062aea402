//! Every screen and dialog as text, in three sizes and without colour; and that no size and no
//! keys make drawing fail.

use std::time::Duration;

use crate::support::painted::{ALL, LARGE, MIDDLE, SMALL, TABS, body, dark, painted, screen, text};
use crate::support::{Console, NAMED_KEYS, World, at, fixtures, logs, plans, stacks};
use jiff::tz::TimeZone;
use quarterdeck::console::hint;
use quarterdeck::console::keymap::{Key, KeyPress};
use quarterdeck::console::msg::Msg;
use quarterdeck::core::error::{CloudError, ErrorKind};
use quarterdeck::core::fleet::{Age, Ages};
use quarterdeck::core::logs::TailState;
use quarterdeck::core::logs::insights::InsightsResults;
use quarterdeck::core::operation::protocol::{Mark, News};
use quarterdeck::core::operation::{Applied, CheckState, Facts, Work};
use quarterdeck::core::operation::{Event, Operation, Phase, Standing, Way};
use quarterdeck::ui::Theme;
use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

/// The text, and under each row the styles of its runs.
fn styled(buffer: &Buffer) -> String {
    let plain = text(buffer);
    let mut out = String::new();
    for (y, line) in (0..buffer.area.height).zip(plain.lines()).filter(|(y, _)| usize::from(*y) != TABS) {
        out.push_str(line);
        out.push('\n');
        let (mut from, mut runs) = (0, Vec::new());
        for x in 1..=buffer.area.width {
            if x < buffer.area.width && buffer[(x, y)].style() == buffer[(from, y)].style() {
                continue;
            }
            let cell = &buffer[(from, y)];
            let style = format!(
                "{}/{}{}",
                cell.fg,
                cell.bg,
                if cell.modifier.is_empty() { String::new() } else { format!(" {:?}", cell.modifier) }
            );
            if style != "Reset/Reset" {
                runs.push(format!("{from}..{x} {style}"));
            }
            from = x;
        }
        if !runs.is_empty() {
            out.push_str(&format!("    ~ {}\n", runs.join("; ")));
        }
    }
    out
}

fn snap(name: &str, console: &Console, sizes: &[(u16, u16)]) {
    for size in sizes {
        insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), body(console, *size));
    }
}

#[test]
fn fleet_states() {
    snap("fleet-healthy", &Console::new(), ALL);
    let mut trouble = Console::with(fixtures::trouble());
    snap("fleet-trouble", &trouble, ALL);
    trouble.keys("G");
    snap("fleet-killed", &trouble, &[SMALL]);
    trouble.keys("/he:deg<enter>");
    snap("fleet-no-match", &trouble, &[SMALL]);
    trouble.keys("<esc><f1><f1><f2>z");
    snap("fleet-sorted", &trouble, &[SMALL]);
}

#[test]
fn fleet_errors() {
    let mut stale = Console::new();
    stale.world.down = Some(crate::support::unreachable());
    stale.tick(42);
    snap("fleet-stale", &stale, ALL);
}

#[test]
fn fleet_drilled_in() {
    let mut console = Console::with(fixtures::trouble());
    console.keys("G<enter>G");
    snap("tasks-killed", &console, ALL);
    console.keys("<enter>");
    snap("containers-killed", &console, &[SMALL]);
    console.keys("d");
    snap("task-described", &console, ALL);
}

#[test]
fn the_header_shows_account_region_and_environment() {
    let mut context = fixtures::context();
    (context.read_only, context.protected, context.local) = (true, true, true);
    context.endpoint = Some("http://127.0.0.1:4566".into());
    let mut console = Console::silent(context);
    console.answers = true;
    console.tick(0);
    console.send(Msg::Calls(1_234));
    for size in ALL {
        let header: Vec<String> = screen(&console, *size).lines().take(2).map(str::to_owned).collect();
        insta::assert_snapshot!(format!("header-flags@{}x{}", size.0, size.1), header.join("\n"));
    }
}

#[test]
fn the_header_tells_the_version_where_nothing_else_needs_the_room() {
    let mut console = Console::new();
    let header = |console: &Console, size| screen(console, size).lines().next().unwrap_or_default().to_owned();
    let without = header(&console, SMALL);
    console.model.version = Some("7.8.9");
    assert!(header(&console, LARGE).contains("version 7.8.9"), "{}", header(&console, LARGE));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let small = words(&header(&console, SMALL));
    assert!(words(&without).iter().all(|word| small.contains(word)), "it takes the place of nothing: {small:?}");
}

#[test]
fn the_header_tells_of_answers_that_take_long() {
    let mut console = Console::silent(fixtures::context());
    let first = |console: &Console, size| screen(console, size).lines().next().unwrap_or_default().to_owned();
    for (milliseconds, told) in [(999, None), (1_000, Some("1.0 s a call")), (4_040, Some("4.0 s a call"))] {
        console.send(Msg::Latency(Some(Duration::from_millis(milliseconds))));
        for size in ALL {
            let header = first(&console, *size);
            assert_eq!(header.contains(" s a call"), told.is_some(), "{header}");
            assert!(told.is_none_or(|told| header.ends_with(&format!("reading …, {told}"))), "{header}");
        }
    }
    console.send(Msg::Latency(None));
    assert!(first(&console, SMALL).ends_with("reading …"), "nothing has answered in this place");
    let mut console = Console::new();
    console.send(Msg::Latency(Some(Duration::from_secs(2))));
    assert!(first(&console, SMALL).ends_with(" ago, 2.0 s a call"), "{}", first(&console, SMALL));
}

/// Which tab is marked on which screen, and what is counted beside the tabs.
#[test]
fn the_tabs_say_which_screen_is_shown() {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    console.send(Msg::Calls(1_234));
    console.keys("T");
    console.planned(plans::scale());
    console.keys("y<esc>");
    let mut rows = Vec::new();
    for keys in ["1", "2", "3", "4", "m", "2i<enter>"] {
        console.keys(keys);
        for size in ALL {
            rows.push(screen(&console, *size).lines().nth(TABS).unwrap_or_default().to_owned());
        }
    }
    insta::assert_snapshot!("tabs", rows.join("\n"));
}

#[test]
fn requests_states() {
    let mut console = Console::new();
    console.logs(logs::many(9_900), TailState::Live);
    console.send(Msg::Lines(1, logs::mixed()));
    console.keys("m");
    snap("requests-by-tool", &console, ALL);
    console.keys("bbw");
    snap("requests-by-both", &console, &[SMALL, MIDDLE]);
    console.keys("b");
    snap("requests-by-why", &console, ALL);
    console.keys("1");
    snap("fleet-counted", &console, ALL);
}

#[test]
fn insights_states() {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    console.keys("i");
    snap("insights-asked", &console, &[SMALL]);
    console.keys("<enter>");
    snap("insights-running", &console, &[SMALL]);
    let row = |tool: &str, calls: &str, text: &str| vec![tool.to_owned(), calls.to_owned(), text.to_owned()];
    let rows = vec![row("forecast", "120", "connection reset by peer"), row("now", "7", "")];
    let columns = ["tool", "calls", "last message"].map(str::to_owned).to_vec();
    let found = InsightsResults { running: false, columns, rows, matched: 127.0, scanned: 5_000.0, bytes: 2.5e9 };
    console.send(Msg::Insights(1, Ok(found)));
    snap("insights-found", &console, ALL);
}

#[test]
fn stack_states() {
    let mut console = Console::new();
    console.keys("3");
    console.tick(1);
    snap("stack-settled", &console, &[SMALL]);
    let mut deploying = Console::with(stacks::deploying());
    deploying.keys("3jj");
    deploying.tick(1);
    snap("stack-deploying", &deploying, ALL);
    deploying.keys("<enter>");
    snap("stack-resources", &deploying, &[SMALL, LARGE]);
    let mut stuck = Console::with(stacks::rollback_failed());
    stuck.keys("3G");
    stuck.tick(1);
    stuck.keys("R ");
    snap("stack-skips", &stuck, ALL);
    let mut failed = Console::with(stacks::failed());
    failed.keys("3G");
    failed.tick(1);
    snap("stack-failed", &failed, ALL);
}

#[test]
fn revision_states() {
    let mut console = Console::new();
    console.keys("jv");
    snap("revisions", &console, ALL);
    console.keys("z");
    snap("revisions-all", &console, &[SMALL]);
    console.keys("[[[[[[");
    snap("revisions-first", &console, &[SMALL]);
    console.world.down = Some(crate::support::unreachable());
    console.keys("]");
    snap("revisions-failed", &console, &[SMALL]);
}

#[test]
fn client_states() {
    let mut console = Console::new();
    console.keys("4");
    snap("clients", &console, ALL);
    console.keys("u");
    snap("users", &console, ALL);
    console.keys("<enter>");
    snap("users-detail", &console, &[SMALL]);
}

#[test]
fn small_dialogs() {
    let mut console = Console::new();
    console.keys("?");
    snap("help", &console, ALL);
    console.keys("<esc>:log");
    snap("palette", &console, ALL);
    console.keys("<esc>S9999");
    snap("scale", &console, &[SMALL]);
    console.keys("<enter>");
    snap("scale-refused", &console, &[SMALL]);
    console.keys("<esc>T");
    snap("planning", &console, &[SMALL]);
    console.keys("<esc>X/wea");
    snap("toast-and-prompt", &console, &[SMALL]);
    console.keys("<esc>o");
    snap("operations-none", &console, &[SMALL]);
}

/// It asks how long, and says why what was typed is no time.
#[test]
fn a_caller_is_kept_out_for_as_long_as_one_says() {
    let mut console = Console::new();
    console.keys("4Q");
    snap("keep-out", &console, &[SMALL]);
    console.keys("soon<enter>");
    snap("keep-out-refused", &console, &[SMALL]);
}

#[test]
fn plans_to_confirm() {
    let mut console = Console::new();
    console.keys("T");
    console.planned(plans::scale());
    snap("plan-scale", &console, ALL);
    let mut console = Console::new();
    console.keys("3D");
    console.planned(plans::deploy());
    snap("plan-deploy", &console, ALL);
    let mut console = Console::new();
    console.keys("3K");
    console.planned(plans::destroy());
    console.keys("pro<enter>");
    snap("plan-destroy", &console, ALL);
    let mut context = fixtures::context();
    context.read_only = true;
    let mut console = Console::silent(context);
    console.answers = true;
    console.tick(0);
    console.planned(plans::scale());
    snap("plan-read-only", &console, &[SMALL]);
}

/// The index of a step of an operation.
fn step(console: &Console, id: &str, title: &str) -> usize {
    plans::step(console.model.operation(id).expect("known"), title)
}

/// Gives a step news.
fn news(console: &mut Console, id: &str, title: &str, news: News) {
    let step = step(console, id, title);
    console.event(id, Event::Step { step, news });
}

/// Confirms and lets every step before this one succeed; all of them where there is none.
fn run_until(console: &mut Console, id: &str, title: Option<&str>) {
    console.keys("y");
    console.event(id, Event::Recorded(Mark::Intent));
    let steps = console.model.operation(id).expect("known").steps().len();
    for index in 0..title.map_or(steps, |title| step(console, id, title)) {
        console.event(id, Event::Recorded(Mark::Started(index)));
        let work = console.model.operation(id).expect("known").steps()[index].work.clone();
        let facts = plans::learnt(&work, "");
        let news = match work {
            Work::Await(_) => News::Checked(CheckState::Holds("as promised".into()), facts),
            _ => News::Applied(Applied::Done(facts)),
        };
        console.event(id, Event::Step { step: index, news });
    }
}

#[test]
fn operations_under_way() {
    let mut console = Console::new();
    console.keys("4O");
    console.planned(plans::rotate(true));
    snap("plan-rotate", &console, &[SMALL]);
    let steady = "wait until weather is steady";
    run_until(&mut console, "op-rotate", Some(steady));
    let pending = CheckState::Pending("2/3 running, 2/3 targets healthy, 1 pending, rollout IN_PROGRESS".into());
    news(&mut console, "op-rotate", steady, News::Checked(pending, Facts::new()));
    console.tick(75);
    snap("rotation-running", &console, ALL);
    let holds = CheckState::Holds("3/3 running, 3/3 targets healthy".into());
    news(&mut console, "op-rotate", steady, News::Checked(holds, Facts::new()));
    console.tick(7_200);
    snap("rotation-in-grace", &console, ALL);
    console.event("op-rotate", Event::Leave("the console was closed".into()));
    console.tick(7_300);
    snap("rotation-paused", &console, &[SMALL]);
    // An operation that was left and is offered again is the only one there, and not active.
    console.keys("R");
    console.send(Msg::Judged("op-rotate".into(), Way::Resume, Ok(Standing::Resumable)));
    snap("rotation-offered", &console, &[SMALL]);
    // Nobody agrees to what cannot be seen, and what is too long for its place is read by scrolling.
    let smallest = body(&console, (40, 10));
    assert!(smallest.contains("do it?") && smallest.contains("it can go on: 7 steps left"), "{smallest}");
    console.keys("n");
    console.keys("<esc>o");
    snap("operations", &console, &[SMALL]);
}

/// What was left out is not told as done.
#[test]
fn a_step_that_was_left_out_has_no_tick() {
    let mut console = Console::new();
    console.keys("4O");
    console.planned(plans::rotate(true));
    run_until(&mut console, "op-rotate", Some("grace period: the old credentials still work"));
    console.keys("F");
    console.send(Msg::Judged("op-rotate".into(), Way::Finish, Ok(Standing::Resumable)));
    console.keys("y");
    let shown = body(&console, (120, 60));
    assert!(shown.contains("○ grace period: the old credentials still work"), "{shown}");
    assert!(shown.contains("✔ publish it"), "{shown}");
}

#[test]
fn an_unfinished_operation_that_is_offered() {
    let mut console = Console::new();
    console.send(Msg::Unfinished(vec![Operation::restore(plans::destroy(), at(-7_200), "the process ended".into())]));
    console.keys("o<enter>R");
    console.send(Msg::Judged("op-destroy".into(), Way::Resume, Ok(Standing::Resumable)));
    console.tick(10);
    snap("offered", &console, ALL);
    console.keys("<esc>");
    let how = Standing::Overtaken("stack quarterdeck-prod-time was made anew 2027-01-15T07:00:00Z".into());
    console.send(Msg::Judged("op-destroy".into(), Way::Resume, Ok(how)));
    snap("overtaken", &console, ALL);
}

#[test]
fn operations_that_end() {
    let mut console = Console::new();
    console.keys("3D");
    console.planned(plans::deploy());
    let draft = "make the change set of quarterdeck-prod-time";
    run_until(&mut console, "op-deploy", Some(draft));
    snap("deploy-parallel", &console, ALL);
    assert_eq!(hint::hangs(console.model.operation("op-deploy").expect("known"), &console.model), None);
    let reason = "ROLLBACK_COMPLETE: Service (AWS::ECS::Service) CREATE_FAILED: circuit breaker was triggered";
    let started = Mark::Started(step(&console, "op-deploy", draft));
    console.event("op-deploy", Event::Recorded(started));
    let surprise = plans::draft("quarterdeck-prod-time", "Service (replaced)");
    news(&mut console, "op-deploy", draft, News::Applied(Applied::Done(surprise)));
    assert!(matches!(console.model.operation("op-deploy").expect("known").phase, Phase::Consent(_)));
    snap("deploy-asks-again", &console, &[SMALL]);
    console.keys("prod<enter>");
    let failed = News::Checked(CheckState::Failed(reason.into()), Facts::new());
    news(&mut console, "op-deploy", "create quarterdeck-prod-time", failed);
    console.tick(10);
    snap("deploy-failed", &console, &[SMALL]);
    let mut scale = Console::new();
    scale.keys("T");
    scale.planned(plans::scale());
    run_until(&mut scale, "op-scale", None);
    scale.tick(10);
    snap("scale-done", &scale, &[SMALL]);
}

#[test]
fn each_theme_has_its_styles() {
    let console = Console::with(fixtures::trouble());
    for name in ["dark", "light", "plain"] {
        let theme = Theme::from_name(name, TimeZone::UTC).expect("a theme");
        let buffer = painted(&console.model, &theme, SMALL).0;
        insta::assert_snapshot!(format!("fleet-{name}"), styled(&buffer));
        if name == "plain" {
            let coloured = |cell: &ratatui::buffer::Cell| {
                cell.fg != ratatui::style::Color::Reset || cell.bg != ratatui::style::Color::Reset
            };
            assert!(!buffer.content.iter().any(coloured), "NO_COLOR shows no colour");
        }
    }
    assert!(Theme::from_name("gaudy", TimeZone::UTC).is_none());
}

#[test]
fn text_is_the_same_in_every_theme() {
    let mut console = Console::with(fixtures::trouble());
    for keys in ["", "2", "3", "4", "?", "<esc>:"] {
        console.keys(keys);
        let shown = |name: &str| {
            text(&painted(&console.model, &Theme::from_name(name, TimeZone::UTC).expect("a theme"), SMALL).0)
        };
        assert_eq!(shown("dark"), shown("plain"));
    }
}

#[test]
fn times_are_in_the_operators_zone() {
    let mut console = Console::new();
    console.logs(logs::mixed(), TailState::Live);
    let zone = TimeZone::fixed(jiff::tz::offset(9));
    let shown = text(&painted(&console.model, &Theme::dark(zone), SMALL).0);
    assert!(shown.contains("16:58:59") && !shown.contains("07:58:59"), "{shown}");
}

#[test]
fn what_is_not_read_again_for_one_reason_is_told_once() {
    let mut world = fixtures::world();
    let why = |text: &str| Some(CloudError::new(ErrorKind::Unreachable, "ecs:ListServices", text));
    let old = |error| Age { at: Some(at(-20)), error };
    let targets = Some(old(why("it refuses connections")));
    let ages =
        Ages { service: old(why("it refuses connections")), tasks: old(None), targets, bounds: old(why("too fast")) };
    let all = Ages { tasks: ages.service.clone(), ..ages.clone() };
    world.fleet.ages.insert(world.fleet.servers[0].name.clone(), all);
    let shown = |console: &Console| body(console, (200, 40));
    let together =
        "service 20s, tasks 20s, targets 20s, not again: it refuses connections  scaling 20s, not again: too fast";
    let console = Console::with(world.clone());
    assert!(shown(&console).contains(together), "{}", shown(&console));
    world.fleet.ages.insert(world.fleet.servers[0].name.clone(), ages);
    let console = Console::with(world);
    let apart =
        "service 20s, not again: it refuses connections  tasks 20s  targets 20s, not again: it refuses connections";
    assert!(shown(&console).contains(apart), "{}", shown(&console));
}

#[test]
fn a_small_terminal_says_so() {
    let console = Console::new();
    insta::assert_snapshot!("too-small@20x5", screen(&console, (20, 5)));
    snap("smallest", &console, &[(40, 10)]);
    let mut console = Console::with(fixtures::trouble());
    console.keys("T");
    console.planned(plans::deploy());
    snap("smallest-plan", &console, &[(40, 10)]);
}

#[test]
fn the_cursor_is_in_the_field_being_typed() {
    let mut console = Console::new();
    console.keys("/tim");
    assert_eq!(painted(&console.model, &dark(), SMALL).1, Some((11, 23)));
    console.keys("<esc>3K");
    console.planned(plans::destroy());
    console.keys("日本");
    let (buffer, cursor) = painted(&console.model, &dark(), SMALL);
    let (x, y) = cursor.expect("a cursor");
    assert!(text(&buffer).lines().nth(usize::from(y)).expect("a row").ends_with("do it: 日本"));
    assert_eq!(x, u16::try_from("type prod to do it: 日本".width()).expect("narrow"));
}

#[test]
fn the_selected_row_is_always_seen() {
    let mut world = fixtures::world();
    world.fleet.servers = (0..60).map(|n| fixtures::server(&format!("server-{n:02}"), 1)).collect();
    let mut console = Console::with(world);
    for n in 0..60 {
        let marked = screen(&console, SMALL)
            .lines()
            .filter(|line| line.starts_with("▸ "))
            .map(str::to_owned)
            .collect::<Vec<_>>();
        assert!(marked.len() == 1 && marked[0].contains(&format!("server-{n:02}")), "{n}: {marked:?}");
        console.keys("j");
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn any_key() -> impl Strategy<Value = KeyPress> {
        let typed = "[ -~]".prop_map(|c| Key::Char(c.chars().next().expect("one")));
        let key = prop_oneof![3 => typed, 1 => prop::sample::select(NAMED_KEYS)];
        (key, prop::bool::weighted(0.1)).prop_map(|(key, ctrl)| KeyPress { key, ctrl, alt: false })
    }

    fn start(kind: u8) -> Console {
        let mut console = match kind % 6 {
            0 => Console::new(),
            1 => Console::with(fixtures::trouble()),
            2 => Console::with(fixtures::empty()),
            3 => Console::with(stacks::failed()),
            4 => Console::with(World { down: Some(crate::support::unreachable()), ..World::default() }),
            _ => Console::silent(fixtures::context()),
        };
        if kind % 6 == 1 {
            console.logs(logs::mixed(), TailState::Live);
        }
        console
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// Any size, any keys, plans that come at any moment: drawing never panics, and a screen
        /// that is large enough is never empty.
        #[test]
        fn drawing_never_fails(
            kind: u8,
            sizes in prop::collection::vec((1u16..=250, 1u16..=80), 1..4),
            keys in prop::collection::vec(any_key(), 0..30),
        ) {
            let mut console = start(kind);
            let theme = dark();
            for (index, press) in keys.into_iter().enumerate() {
                console.send(Msg::Key(press));
                match index % 10 {
                    4 => drop(console.planned(plans::deploy())),
                    7 => drop(console.planned(plans::destroy())),
                    9 => drop(console.tick(index as i64)),
                    _ => {}
                }
                let (columns, rows) = sizes[index % sizes.len()];
                console.send(Msg::Resize(columns, rows));
                let shown = text(&painted(&console.model, &theme, (columns, rows)).0);
                prop_assert!(!shown.trim().is_empty());
            }
        }

        /// Hostile widths in the data: nothing is drawn outside, and columns stay aligned.
        #[test]
        fn wide_text_stays_in_its_place(name in "[a-z東京é👩‍👩‍👧]{1,60}", size in (40u16..=120, 10u16..=40)) {
            let mut world = fixtures::trouble();
            world.fleet.servers[0].name = name.clone();
            world.fleet.servers[0].events[0].message = name;
            let console = Console::with(world);
            prop_assert!(painted(&console.model, &dark(), size).0.area.width == size.0);
        }
    }
}

#[test]
fn drawing_takes_the_time_from_the_model() {
    let mut console = Console::new();
    console.tick(30);
    let once = screen(&console, SMALL);
    assert_eq!(once, screen(&console, SMALL));
    assert_eq!(console.model.now, at(30));
}

/// A deploy that waits for long says by which keys what it waits for is taken back.
#[test]
fn a_deploy_that_may_hang_names_what_takes_it_back() {
    let mut console = Console::new();
    console.keys("3D");
    console.planned(plans::deploy());
    let waits = "wait until quarterdeck-prod-time is complete";
    run_until(&mut console, "op-deploy", Some(waits));
    console.event("op-deploy", Event::Recorded(Mark::Started(step(&console, "op-deploy", waits))));
    news(
        &mut console,
        "op-deploy",
        waits,
        News::Checked(CheckState::Pending("UPDATE_IN_PROGRESS".into()), Facts::new()),
    );
    let mut said = |seconds| {
        console.tick(seconds);
        body(&console, LARGE).lines().find(|line| line.contains("hang?")).map(str::to_owned)
    };
    assert_eq!(said(29 * 60), None);
    let hint = said(31 * 60).expect("a hint");
    assert!(
        hint.contains("`C` on Stack cancel the update") && hint.contains("`H` on Fleet stop the deployment"),
        "{hint}"
    );
}
