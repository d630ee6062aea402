//! Every screen in every state of what it shows: that it is read, why it could not be, that nothing is there, and how old
//! it is; and what holds of all of them: no key is named but as it is bound, and in read-only mode none that writes.

use std::collections::BTreeMap;

use crate::flows_causes::run;
use crate::support::painted::{LARGE, MIDDLE, SMALL, body};
use crate::support::{Console, World, fixtures, logs, plans, unreachable};
use quarterdeck::console::action::{Action, ActionInfo, all, available};
use quarterdeck::console::dialogs::Dialog;
use quarterdeck::console::effect::Effect;
use quarterdeck::console::keymap::Keymap;
use quarterdeck::console::msg::{Msg, Notice};
use quarterdeck::console::screens::{Answer, Fetch, SCREENS, Screen};
use quarterdeck::console::update::update;
use quarterdeck::core::doctor::{Fix, Hop, Link, State as LinkState};
use quarterdeck::core::fleet::{Compared, Comparison};
use quarterdeck::core::identity::Context;
use quarterdeck::core::logs::TailState;
use quarterdeck::core::logs::insights::InsightsResults;
use quarterdeck::core::logs::tail::End;
use regex::Regex;

/// How much is known of what a screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeingRead,
    Unreachable,
    Empty,
    Stale,
}

impl State {
    const ALL: [Self; 4] = [Self::BeingRead, Self::Unreachable, Self::Empty, Self::Stale];

    fn word(self) -> &'static str {
        match self {
            Self::BeingRead => "being-read",
            Self::Unreachable => "unreachable",
            Self::Empty => "empty",
            Self::Stale => "stale",
        }
    }
}

/// A screen in a state.
fn shown(screen: Screen, state: State, context: &Context) -> Console {
    match screen {
        Screen::Fleet => read(state, context, "1"),
        Screen::Stack => read(state, context, "3"),
        Screen::Clients => read(state, context, "4"),
        Screen::Users => read(state, context, "4u"),
        Screen::Timeline => read(state, context, "5"),
        Screen::Logs => followed(state, context),
        Screen::Requests => {
            let mut console = followed(state, context);
            console.keys("m");
            console
        }
        Screen::Insights => asked(state, context),
        Screen::Doctor => gone(state, context),
        Screen::Revisions => compared(state, context),
    }
}

/// A console that has read this world.
fn on(world: World, context: &Context) -> Console {
    let mut console = Console::silent(context.clone());
    (console.world, console.answers) = (world, true);
    console.tick(0);
    console
}

/// What is read by a timer.
fn read(state: State, context: &Context, keys: &str) -> Console {
    let mut console = match state {
        State::BeingRead => Console::silent(context.clone()),
        State::Unreachable => on(World { down: Some(unreachable()), ..World::default() }, context),
        State::Empty => on(fixtures::empty(), context),
        State::Stale => on(fixtures::world(), context),
    };
    console.keys(keys);
    console.tick(0);
    if state == State::Stale {
        console.world.down = Some(unreachable());
        console.tick(42);
    }
    console
}

/// The log, and what is counted from it.
fn followed(state: State, context: &Context) -> Console {
    let mut console = on(fixtures::world(), context);
    let (lines, tail) = match state {
        State::BeingRead => (Vec::new(), TailState::Loading(0)),
        State::Unreachable => (Vec::new(), TailState::Ended(End::Failed(unreachable()))),
        State::Empty => (Vec::new(), TailState::Live),
        State::Stale => (logs::mixed(), TailState::Reconnecting(unreachable().message, 4_000)),
    };
    console.logs(lines, tail);
    console
}

/// A query over the log.
fn asked(state: State, context: &Context) -> Console {
    let mut console = on(fixtures::world(), context);
    console.logs(logs::mixed(), TailState::Live);
    console.keys("i<enter>");
    let rows = vec![vec!["now".to_owned(), "7".to_owned()]];
    let columns = ["tool", "calls"].map(str::to_owned).to_vec();
    let found = InsightsResults { running: false, columns, rows, matched: 7.0, scanned: 5_000.0, bytes: 2.5e9 };
    match state {
        State::BeingRead => {}
        State::Unreachable => drop(console.send(Msg::Insights(1, Err(unreachable())))),
        State::Empty => drop(console.send(Msg::Insights(1, Ok(InsightsResults { rows: Vec::new(), ..found })))),
        State::Stale => {
            console.send(Msg::Insights(1, Ok(found)));
            console.tick(3_600);
        }
    }
    console
}

/// The way to a server.
fn gone(state: State, context: &Context) -> Console {
    let mut console = on(fixtures::world(), context);
    let hop = |link, state| Hop { link, state, millis: Some(3) };
    let begun = console.keys(if state == State::Empty { "46" } else { "6" });
    match state {
        State::BeingRead | State::Empty => {}
        State::Unreachable => {
            let why = LinkState::Broken { why: unreachable().to_string(), fix: Fix::Call(unreachable()) };
            run(&mut console, &begun, &[hop(Link::Credentials, why)]);
        }
        State::Stale => {
            run(&mut console, &begun, &[hop(Link::Stacks, LinkState::well("5 stacks, none failed"))]);
            console.tick(3_600);
        }
    }
    console
}

/// Two revisions.
fn compared(state: State, context: &Context) -> Console {
    let mut console = on(fixtures::world(), context);
    console.answers = state == State::Stale;
    let effects = console.keys("v");
    let answer = |asked: &Comparison| match state {
        State::Unreachable => Some(Answer::Revisions(Err(unreachable()))),
        State::Empty => {
            let Compared { now, .. } = fixtures::compared(asked);
            Some(Answer::Revisions(Ok(Box::new(Compared { before: Some(now.clone()), now }))))
        }
        State::BeingRead | State::Stale => None,
    };
    for effect in &effects {
        if let Effect::Fetch(Fetch::Revisions(asked), generation) = effect {
            answer(asked).map(|answer| console.send(Msg::Loaded(*generation, answer)));
        }
    }
    if state == State::Stale {
        console.world.down = Some(unreachable());
        console.tick(42);
        console.keys("r");
    }
    console
}

/// Every screen in every state, with its name.
fn every(context: &Context) -> impl Iterator<Item = (String, Console)> {
    let all = SCREENS.iter().flat_map(|info| State::ALL.map(|state| (info, state)));
    all.map(|(info, state)| {
        let Action::Show(screen) = info.shown.action else { panic!("{} shows no screen", info.title) };
        let name = format!("{}-that-is-{}", info.title.to_lowercase(), state.word());
        let console = shown(screen, state, context);
        assert_eq!(console.model.screen, screen, "{name}");
        (name, console)
    })
}

#[test]
fn each_screen_says_what_it_does_not_know() {
    for (name, console) in every(&fixtures::context()) {
        insta::assert_snapshot!(format!("{name}@80x24"), body(&console, SMALL));
    }
}

/// What each shows differs from state to state, so that no state is taken for another.
#[test]
fn no_screen_looks_the_same_in_two_states() {
    let all: Vec<(String, String)> =
        every(&fixtures::context()).map(|(name, console)| (name, body(&console, MIDDLE))).collect();
    for (index, (name, text)) in all.iter().enumerate() {
        let same = all[..index].iter().find(|(_, other)| other == text);
        assert!(same.is_none(), "{name} looks as {same:?}");
    }
}

/// Every action on a key that no default has, and that no text has by chance; a write on a capital letter.
fn strange() -> Keymap {
    let (mut reads, mut writes) = (('一'..='龥').step_by(7), ('А'..='Я').chain('Α'..='Ρ'));
    let mut bound = BTreeMap::new();
    for ActionInfo { name, writes: write, .. } in all() {
        let key = if *write { writes.next() } else { reads.next() }.expect("there are enough letters");
        bound.insert((*name).to_owned(), vec![key.to_string()]);
    }
    Keymap::with(&bound).expect("no two are the same")
}

/// Names of default keys that a text has: letters and words that stand alone, and digits where a key would stand.
fn defaults_in(text: &str) -> Vec<String> {
    let names = r"(?:^|[\s(;,`])(esc|enter|(?:ctrl|alt)-\w+|f[12]|[b-zB-Z])(?:$|[\s);,`:])";
    let digits = r"(?:; |→ |press |\()(\d)(?:$|[\s);,`:])";
    let found = |pattern: &str| {
        let pattern = Regex::new(pattern).expect("a pattern");
        pattern.captures_iter(text).map(|found| found[1].to_owned()).collect::<Vec<_>>()
    };
    [found(names), found(digits)].concat()
}

/// A console may come here with keys bound anew: what it says then names those.
#[test]
fn what_is_said_names_keys_as_they_are_bound() {
    let default = Keymap::default();
    assert_eq!(defaults_in("no stack; D plans one"), ["D"], "it finds what it looks for");
    assert_eq!(defaults_in("it is still going (2), `esc` stops it"), ["esc", "2"]);
    // What a server has logged, and what a query is written in, are no words of ours.
    let logged = Regex::new(r"^(  \d\d:\d\d:\d\d|query )").expect("a pattern");
    for (name, mut console) in every(&fixtures::context()).chain(troubled(&fixtures::context())) {
        console.model.keymap = strange();
        let text = body(&console, LARGE);
        let text = text.replace(" B scanned", "");
        let text: String = text.lines().filter(|line| !logged.is_match(line)).map(|line| format!("{line}\n")).collect();
        assert_eq!(defaults_in(&text), Vec::<String>::new(), "{name}: {text}");
        for info in all() {
            let mut model = console.model.clone();
            let press = model.keymap.keys(info.action)[0].parse().expect("a key");
            update(&mut model, Msg::Key(press));
            for toast in &model.toasts {
                let (Notice::Good(said) | Notice::Bad(said)) = &toast.notice;
                let told = defaults_in(said);
                assert!(told.is_empty(), "{name}, {}: {told:?} in {said:?}", default.keys(info.action).join(" "));
            }
        }
    }
}

/// Servers of which something is wrong, on each level of Fleet and behind filters that hide everything.
fn troubled(context: &Context) -> Vec<(String, Console)> {
    let at_keys = |(name, keys): (&str, &str)| {
        let mut console = on(fixtures::trouble(), context);
        console.keys(keys);
        (name.to_owned(), console)
    };
    let mut all: Vec<(String, Console)> = [
        ("a cause", ""),
        ("another", "G"),
        ("tasks", "G<enter>"),
        ("hidden", "/nothing-like-it<enter>"),
        ("stacks", "3"),
        ("rights", "4"),
    ]
    .map(at_keys)
    .into();
    let mut well = on(fixtures::world(), context);
    well.keys("z");
    all.push(("nothing wrong".to_owned(), well));
    all
}

/// A key that writes is offered nowhere where nothing may be written, and says so where it is pressed.
#[test]
fn in_read_only_mode_no_write_is_offered() {
    let context = Context { read_only: true, ..fixtures::context() };
    let keymap = strange();
    let writes: Vec<(&ActionInfo, String)> =
        all().filter(|info| info.writes).map(|info| (info, keymap.keys(info.action)[0].clone())).collect();
    for (name, mut console) in every(&context).chain(troubled(&context)) {
        console.model.keymap = keymap.clone();
        assert!(available(&console.model).iter().all(|(info, _)| !info.writes), "{name}");
        let (help, palette) = (keymap.keys(Action::Help).concat(), keymap.keys(Action::Palette).concat());
        let mut seen = vec![body(&console, LARGE)];
        for key in [help, palette] {
            let mut opened = Console { model: console.model.clone(), world: World::default(), answers: false };
            opened.keys(&key);
            seen.push(body(&opened, (200, 120)));
        }
        for (info, key) in &writes {
            for text in &seen {
                assert!(!text.contains(key.as_str()), "{name} offers {}: {text}", info.name);
            }
            let mut model = console.model.clone();
            if info.scope != model.scope() {
                continue;
            }
            let effects = update(&mut model, Msg::Key(key.parse().expect("a key")));
            let planned = effects.iter().any(|effect| matches!(effect, Effect::Plan(..) | Effect::Operation(..)));
            assert!(!planned && model.dialogs.is_empty(), "{name}: {} leads to {effects:?}", info.name);
            let Some(Notice::Bad(said)) = model.toasts.back().map(|toast| toast.notice.clone()) else {
                panic!("{name}: {} says nothing", info.name)
            };
            assert!(said.contains("read-only") && said.contains(info.name), "{said}");
        }
    }
}

/// What the palette finds by the name of a write, too.
#[test]
fn the_palette_of_a_read_only_console_finds_no_write() {
    let mut context = fixtures::context();
    let found = |context: &Context| {
        let mut console = on(fixtures::world(), context);
        console.keys(":restart");
        assert!(matches!(console.model.dialogs.last(), Some(Dialog::Palette { .. })));
        body(&console, SMALL).contains("start a new deployment")
    };
    assert!(found(&context), "it is found where it may be done");
    context.read_only = true;
    assert!(!found(&context));
}

/// A filter and the key that hides what is well are two things, and each is left by a key of its own.
#[test]
fn a_table_without_rows_says_which_key_shows_them() {
    let mut console = on(fixtures::world(), &fixtures::context());
    console.keys("z");
    assert!(body(&console, SMALL).contains("nothing is wrong here; z shows everything"), "{}", body(&console, SMALL));
    console.keys("/nothing-like-it<enter>");
    assert!(body(&console, SMALL).contains("nothing matches the filter; esc shows everything"));
    console.keys("<esc>z");
    assert!(body(&console, SMALL).contains("time"), "everything is shown again");
}

/// A title says what is done: where it does not fit, it goes on in the next line.
#[test]
fn no_title_of_a_step_is_cut() {
    for plan in plans::every() {
        let mut console = Console::new();
        console.keys("T");
        console.planned(plan);
        let operation = &console.model.operations[0];
        for columns in [40, 60, 80, 120] {
            let joined = |text: &str| text.split_whitespace().collect::<String>();
            let text = joined(&body(&console, (columns, 400)));
            for step in operation.steps() {
                assert!(text.contains(&joined(&step.title)), "{} at {columns}: {text}", step.title);
            }
        }
    }
}

/// The column of the links is as wide as the longest of them, beside that of the servers, too.
#[test]
fn every_link_of_doctor_is_read_whole() {
    let links = [
        Link::Credentials,
        Link::Stacks,
        Link::Service,
        Link::Targets,
        Link::Metadata,
        Link::Challenge,
        Link::AuthorizationServer,
        Link::Keys,
        Link::Token,
        Link::Initialize,
        Link::Tools,
        Link::SafeCall,
        Link::Log,
    ];
    let long = "a reason that takes all the room that is left in the row, and then some more than that";
    let hops = links.map(|link| Hop { link, state: LinkState::well(long), millis: Some(12_345) });
    for keys in ["6", "46a"] {
        let mut console = Console::new();
        let begun = console.keys(keys);
        run(&mut console, &begun, &hops);
        let text = body(&console, (80, 60));
        for link in links {
            assert!(text.contains(&format!("{} ", link.word())), "{}: {text}", link.word());
        }
    }
}
