//! What is read for the screen, by what of it is looked at, and how old it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Level, knows, selected_server, server, view};
use crate::console::beside;
use crate::console::model::Model;
use crate::console::remote::Ask as _;
use crate::console::screens::{FAST, Fetch, Freshness, SLOW, STEADY, Screen, View};
use crate::core::fleet::{Age, Attention, Fleet, Server, Task};
use crate::core::logs::words::Ended;
use crate::core::logs::{Followed, Owners};
use crate::core::metrics::{Figures, SPAN, Tools};
use crate::core::requests::Watched;

/// The figures of a server, and when they were read.
pub fn figures<'a>(model: &'a Model, server: &str) -> Option<(&'a Figures, Timestamp)> {
    model.screens.fleet.measured.get(server).map(|(of, at)| (&of.figures, *at))
}

/// The same of its tools, as far as they were asked for.
pub fn tools<'a>(model: &'a Model, server: &str) -> Option<&'a Tools> {
    model.screens.fleet.measured.get(server).map(|(of, _)| &of.tools)
}

/// Seconds between two reads of figures, whatever is selected meanwhile.
pub(in crate::console::screens) const PATIENCE: i64 = 30;

/// What is measured: the selected server alone, because AWS bills each series that is asked for.
pub(in crate::console) fn measured_servers(model: &Model) -> Vec<String> {
    selected_server(model).map(|server| server.name.clone()).into_iter().collect()
}

/// Reads figures for a server that was selected since, if the last read is old enough.
fn measure(model: &mut Model) -> Option<Fetch> {
    let selected = measured_servers(model);
    let known = selected.iter().all(|server| model.screens.fleet.measured.contains_key(server));
    let metrics = &mut model.screens.fleet.metrics;
    let old = metrics.read_at().is_some_and(|at| model.now.duration_since(at).as_secs() >= PATIENCE);
    if !known && old && metrics.error().is_none() {
        metrics.hasten();
    }
    (!selected.is_empty()).then_some(Fetch::Measured(selected))
}

/// Keeps figures that have come, and forgets those that are older than what they show.
pub(super) fn keep_measured(model: &mut Model) {
    let now = model.now;
    let fleet = &mut model.screens.fleet;
    if let Some((measured, at)) = fleet.metrics.get().zip(fleet.metrics.read_at()) {
        let new = measured.servers.iter().map(|(server, of)| (server.clone(), (of.clone(), at)));
        fleet.measured.extend(new);
    }
    fleet.measured.retain(|_, (_, at)| now.duration_since(*at) < SPAN);
}

/// What must be fresh.
pub(in crate::console::screens) fn reads(model: &mut Model) -> Vec<Fetch> {
    hasten(model);
    let mut reads = vec![Fetch::ANY_FLEET, Fetch::Announced];
    // A stack that is stuck is no server's, and no server shows it.
    if model.context.ours().is_some() {
        reads.push(Fetch::Stacks);
    }
    reads.extend(seldom(model));
    reads.extend(measure(model));
    reads.extend(traffic(model));
    reads.extend((!ended(model).is_empty()).then(|| Fetch::Words(Vec::new())));
    reads
}

/// The tasks that ended last, of the servers on the screen, and of which it is not known what they said last.
pub(in crate::console) fn ended(model: &Model) -> Vec<Ended> {
    let (state, at) = (&model.screens.fleet, &model.screens.fleet.attention);
    let looked_at = at.opened.iter().chain(&at.selected).chain(&at.seen).filter_map(|name| server(model, name));
    let mut servers: Vec<&Server> = looked_at.collect();
    if servers.is_empty() {
        // Nobody has looked since the fleet is known.
        servers = state.remote.get().into_iter().flat_map(|fleet| &fleet.servers).collect();
    }
    let mut all: Vec<Ended> = Vec::new();
    for one in servers.into_iter().filter_map(|server| Ended::of(server, model.now)) {
        if all.len() < AT_ONCE && !state.said.contains_key(&one.task) && !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// Most tasks whose last words are read at once: a call of a low quota for each.
const AT_ONCE: usize = 5;

/// Keeps what tasks said last, and notes it at those of the fleet, which come without it each time.
pub(super) fn keep_said(model: &mut Model) {
    let state = &mut model.screens.fleet;
    let new = state.words.get().into_iter().flatten().map(|said| (said.task.clone(), said.words.clone()));
    state.said.extend(new);
    let Some(fleet) = state.remote.get_mut().filter(|_| !state.said.is_empty()) else { return };
    let shown: BTreeSet<&str> = fleet.servers.iter().flat_map(Server::known_tasks).map(Task::id).collect();
    state.said.retain(|id, _| shown.contains(id.as_str()));
    fleet.hear(&state.said);
}

/// What AWS says of its own issues, and what keeps requests away from zones, once the servers are known: both are asked for
/// seldom while the servers are well.
fn seldom(model: &mut Model) -> Vec<Fetch> {
    if model.context.ours().is_none() || model.screens.fleet.remote.is_empty() {
        return Vec::new();
    }
    let (now, fleet) = (model.now, &mut model.screens.fleet);
    let old = |at: Option<Timestamp>| at.is_some_and(|at| now.duration_since(at).as_secs() >= UNWELL);
    if fleet.unwell && old(fleet.issues.read_at()) && fleet.issues.error().is_none() {
        fleet.issues.hasten();
    }
    if fleet.unwell && old(fleet.shifts.read_at()) && fleet.shifts.error().is_none() {
        fleet.shifts.hasten();
    }
    vec![Fetch::Issues, Fetch::Shifts]
}

/// Seconds between two such reads while something is wrong, and while all is well: the one is a call of a quota that the
/// logs share, and AWS takes minutes to tell of an issue.
const UNWELL: i64 = 60;
const WELL: i64 = 300;

pub(in crate::console::screens) fn issues_every(model: &Model) -> i64 {
    if model.screens.fleet.unwell { UNWELL } else { WELL }
}

/// The requests of the last minutes, for the screens that tell how they go. Whoever follows the log counts its lines already.
pub(in crate::console::screens) fn traffic(model: &Model) -> Option<Fetch> {
    let followed = model.screens.logs.tail.is_current();
    let wanted = model.context.ours().is_some() && !followed && !model.screens.fleet.remote.is_empty();
    wanted.then(|| Fetch::Traffic(Watched::default()))
}

/// Most servers whose requests are read at once: each costs a call or more of a quota of five or ten in a second.
const WATCHED: usize = 40;

/// Least seconds between two reads of requests.
pub(in crate::console::screens) const WATCHING: i64 = 12;

/// Whose requests are read: of the servers on the screen, the first ones.
pub(in crate::console) fn watched(model: &Model) -> Watched {
    let state = &model.screens.fleet;
    let none = Fleet::default();
    let fleet = state.remote.get().unwrap_or(&none);
    let mut servers: Vec<String> = state.attention.opened.iter().chain(&state.attention.seen).cloned().collect();
    if servers.is_empty() {
        servers = fleet.servers.iter().map(|server| server.name.clone()).collect();
    }
    servers.truncate(WATCHED);
    let owners = Owners::of(fleet, model.context.ours()).only(servers.iter().cloned());
    let sources = Followed { groups: owners.groups(), owners: Arc::new(owners) };
    Watched { servers, sources }
}

/// What of the requests of the last minutes could not be read, in words.
pub fn traffic_unread(model: &Model) -> Option<String> {
    let state = &model.screens.fleet;
    let followed = model.screens.logs.tail.is_current();
    let lately = state.traffic.get().filter(|_| !followed)?;
    let more = lately.gaps.len().saturating_sub(1);
    let others = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    lately.gaps.first().map(|gap| format!("{gap}{others}"))
}

/// Seconds between two reads of requests: at most two calls in three seconds.
pub(in crate::console::screens) fn watching(model: &Model) -> i64 {
    let looked_at = &model.screens.fleet.attention;
    let read = (looked_at.opened.iter().len() + looked_at.seen.len()).min(WATCHED);
    WATCHING.max(i64::try_from(read * 3 / 2).unwrap_or(i64::MAX))
}

/// How old what is on the screen is: where servers are read in turn, the oldest of those that are looked at.
pub(in crate::console::screens) fn freshness(model: &Model) -> Option<Freshness> {
    let state = &model.screens.fleet;
    let fleet = state.remote.get();
    let all = || fleet.iter().flat_map(|fleet| fleet.ages.values()).map(|ages| &ages.service);
    let looked_at = state.attention.opened.iter().chain(&state.attention.seen);
    let looked_at: Vec<&Age> = looked_at.filter_map(|name| Some(&fleet?.ages.get(name)?.service)).collect();
    let services = if looked_at.is_empty() { all().collect() } else { looked_at };
    let read_at = services.iter().filter_map(|age| age.at).min().or_else(|| all().filter_map(|age| age.at).min());
    // Where a part alone failed, it is told with that part.
    let failed = || services.iter().all(|age| age.error.is_some()).then(|| services.first()?.error.clone()).flatten();
    let unread = || fleet.filter(|fleet| fleet.servers.is_empty())?.unreadable.first().map(|one| one.why.clone());
    let error = state.remote.error().cloned().or_else(failed).or_else(unread);
    let never = error.is_some() && services.iter().all(|age| age.at.is_none());
    let whole = state.remote.read_at().filter(|_| !never || state.remote.error().is_some());
    Some(Freshness { read_at: read_at.or(whole), error })
}

/// Seconds between two reads.
pub(in crate::console::screens) fn pace(model: &Model) -> i64 {
    match model.screen {
        _ if model.busy() || model.screens.fleet.changing() => FAST,
        // The Logs screen reads it only so that lines of new servers join, and the past does not change.
        Screen::Logs | Screen::Timeline => SLOW,
        _ => STEADY,
    }
}

/// What of the fleet is looked at, for the read that begins now.
pub(in crate::console) fn attention(model: &mut Model) -> Attention {
    let looked_at = looked_at(model);
    (model.screens.fleet.attention, model.screens.fleet.looked) = (looked_at.clone(), model.now);
    Attention { anew: std::mem::take(&mut model.screens.fleet.anew), ..looked_at }
}

/// What is looked at by now, if that is something else than the read that is under way looks at: on a slow line it
/// takes long. Finding out takes work, so it is done once in a second; where the operator goes, is known at once.
pub(in crate::console) fn looks_elsewhere(model: &mut Model) -> Option<Attention> {
    let state = &model.screens.fleet;
    let moved = moved_to(model).map(str::to_owned);
    let early = model.now.duration_since(state.looked).as_secs() < 1;
    if state.remote.idle() || (early && moved.is_none()) {
        return None;
    }
    if early && state.level == Level::Servers {
        let fleet = &mut model.screens.fleet;
        fleet.attention.selected = moved;
        return Some(fleet.attention.clone());
    }
    let looked_at = looked_at(model);
    let elsewhere = looked_at != model.screens.fleet.attention;
    (model.screens.fleet.attention, model.screens.fleet.looked) = (looked_at.clone(), model.now);
    elsewhere.then_some(looked_at)
}

/// The server to which the operator has gone since it was found out what is looked at, where that is plain.
fn moved_to(model: &Model) -> Option<&str> {
    let state = &model.screens.fleet;
    let at = match &state.level {
        _ if model.screen != Screen::Fleet => None,
        Level::Servers => state.servers.selected_of_all(),
        Level::Tasks(server) | Level::Containers(server, _) => Some(server.as_str()),
    };
    at.filter(|at| state.attention.at() != Some(at) && knows(model, at))
}

/// Seconds after which what is known of the server that the operator goes to is read again at once.
const OLD: i64 = 3;

/// Begins a read where the operator has gone to a server of which something is old. One that fails anyway comes when it
/// is due.
fn hasten(model: &mut Model) {
    let state = &model.screens.fleet;
    let ages = moved_to(model).and_then(|at| state.remote.get()?.ages.get(at));
    let now = model.now;
    let old = |age: &Age| age.at.is_none_or(|at| now.duration_since(at).as_secs() >= OLD);
    let due = ages.is_some_and(|ages| old(&ages.service) || ages.targets.as_ref().is_some_and(old));
    if due && state.remote.idle() && state.remote.error().is_none() {
        model.screens.fleet.remote.hasten();
    }
}

fn looked_at(model: &Model) -> Attention {
    let (seen, selected, opened) = match &model.screens.fleet.level {
        _ if model.screen != Screen::Fleet => (Vec::new(), None, None),
        Level::Servers => {
            let view = view(model);
            let own = |key: &String| beside::is_own(key);
            let selected = view.selected_key().map(str::to_owned).filter(own);
            let mut keys = on_screen(&view, model.viewport.rows);
            keys.retain(own);
            (keys, selected, None)
        }
        Level::Tasks(server) | Level::Containers(server, _) => (Vec::new(), None, Some(server.clone())),
    };
    // Neither the Logs screen nor the Timeline shows a target.
    let targets = !matches!(model.screen, Screen::Logs | Screen::Timeline);
    Attention { seen, selected, opened, targets, anew: false }
}

/// What a read of a neighbour looks at: these rows of its servers.
pub(in crate::console) fn looks_at(seen: Vec<String>, known: bool) -> Attention {
    Attention { seen, selected: None, opened: None, targets: known, anew: false }
}

/// The keys of the rows of servers that are on the screen, of all places.
pub(in crate::console) fn rows_on_screen(model: &Model) -> Vec<String> {
    on_screen(&view(model), model.viewport.rows)
}

/// The keys of the rows that the table has room for. It keeps the selection in the middle.
fn on_screen(view: &View, rows: usize) -> Vec<String> {
    let top = view.selected.unwrap_or(0).saturating_sub(rows / 2).min(view.rows.len().saturating_sub(rows));
    view.rows.iter().skip(top).take(rows).map(|row| row.key.clone()).collect()
}
