//! Places that stand in Fleet beside the one that is shown.
//!
//! The console acts in one place. Of the others it reads the servers alone, each through a session of its own, so that
//! none waits for another; their rows bear the name of their place. A key that acts on such a row goes there first, by
//! the way on which the console goes anywhere ([`place::go`]), and acts then: what it means is always a server of the
//! place that the header names.

use jiff::Timestamp;

use super::action::{Action, Scope};
use super::effect::Effect;
use super::hint;
use super::model::Model;
use super::msg::Msg;
use super::place::{self, PlaceId};
use super::remote::{Ask as _, Remote};
use super::screens::fleet::{self, Level};
use super::screens::{Answer, FAST, Fetch, STEADY, Screen, View};
use crate::core::destination::Destination;
use crate::core::error::Refusal;
use crate::core::fleet::{Fleet, Server};
use crate::core::health::{Cause, findings};
use crate::core::identity::Context;

/// A place beside the one that is shown.
#[derive(Debug, Clone)]
pub struct Neighbour {
    id: PlaceId,
    /// As it was named; complete once the place is reached.
    destination: Destination,
    reached: Reached,
    /// Where its rows stand among those of the others.
    rank: u32,
    /// Its servers.
    pub fleet: Remote<Fleet>,
    /// Whether anything was wrong when it was last read.
    unwell: bool,
}

/// Whether there is a session with a place.
#[derive(Debug, Clone)]
enum Reached {
    NotYet,
    OnTheWay,
    There,
    Refused(Refusal),
}

impl Neighbour {
    fn new(id: PlaceId, destination: Destination, rank: u32) -> Self {
        Self { id, destination, reached: Reached::NotYet, rank, fleet: Remote::default(), unwell: false }
    }

    /// Its name in the list of those that can be reached.
    pub fn id(&self) -> PlaceId {
        self.id
    }

    /// Where it is.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Why there is no session with it, or why it was not read when it was read last; a hint after the reason.
    pub fn why(&self, model: &Model) -> Option<String> {
        let (kind, why, hint) = match (&self.reached, self.fleet.error()) {
            (Reached::Refused(refusal), _) => (refusal.kind, &refusal.why, &refusal.hint),
            (_, Some(error)) => (error.kind, &error.message, &error.hint),
            (_, None) => return None,
        };
        let profile = self.destination.profile.as_deref();
        let hint = hint.as_ref().map(|hint| hint::beside(kind, hint, profile, model));
        Some(hint.map_or_else(|| why.clone(), |hint| format!("{why} — {hint}")))
    }

    /// Where its rows stand among those of the others.
    pub fn rank(&self) -> u32 {
        self.rank
    }

    /// Its region, as far as it is known.
    pub fn region(&self) -> &str {
        self.destination.region.as_deref().unwrap_or_default()
    }

    /// The key of a row of its table; of no name for the row that stands for the place itself.
    pub fn key(&self, name: &str) -> String {
        format!("{}{SLASH}{name}", self.id)
    }

    /// Whether anything was wrong when it was last read.
    pub fn unwell(&self) -> bool {
        self.unwell
    }

    fn moving(&self) -> bool {
        self.fleet.get().is_some_and(|fleet| fleet.servers.iter().any(Server::moving))
    }
}

/// Between a place and a name in the key of a row. No ECS service has one in its name (ECS API, CreateService:
/// letters, digits, underscores and hyphens), so no key of a neighbour is the name of a server.
const SLASH: char = '/';

/// Whether a row of Fleet is one of the place that is shown.
pub fn is_own(key: &str) -> bool {
    !key.contains(SLASH)
}

/// What a row of Fleet is about, if it is of a neighbour: the place, and the server where the row is of one.
pub fn of_row<'a>(model: &'a Model, key: &str) -> Option<(&'a Neighbour, Option<&'a Server>)> {
    let (id, name) = key.split_once(SLASH)?;
    let neighbour = model.place.beside.iter().find(|one| one.id.to_string() == id)?;
    Some((neighbour, neighbour.fleet.get().and_then(|fleet| fleet.server(name))))
}

/// What is selected in Fleet, if it is a row of a neighbour.
pub fn selected<'a>(model: &'a Model, view: &View) -> Option<(&'a Neighbour, Option<&'a Server>)> {
    let servers = model.screens.fleet.level == Level::Servers;
    of_row(model, view.selected_key().filter(|_| servers)?)
}

/// The names of the place that is shown and of its neighbours, in their order: environment or cluster, and with it the
/// region and the profile where those differ.
pub fn names(model: &Model) -> (String, Vec<String>) {
    let own = Destination::here(&model.context);
    let others = || model.place.beside.iter().map(|one| &one.destination);
    let regions = others().any(|one| one.region.is_some() && one.region != own.region);
    let profiles = others().any(|one| one.profile != own.profile);
    let word = |one: &Destination| {
        let profile = one.profile.clone().filter(|_| profiles);
        let region = one.region.clone().filter(|_| regions);
        Destination { profile, region, target: one.target.clone() }.to_string()
    };
    (word(&own), others().map(word).collect())
}

/// Lets these stand in Fleet, beside the place that is shown, from the start.
pub fn stand(model: &mut Model, destinations: Vec<Destination>) {
    model.place.stays = !destinations.is_empty();
    for (rank, destination) in (1..).zip(destinations) {
        let id = model.place.new_id();
        model.place.beside.push(Neighbour::new(id, destination, rank));
    }
}

/// Lets the place that is shown stay in Fleet when the console goes elsewhere, or no longer.
pub fn pin(model: &mut Model) -> Vec<Effect> {
    if model.context.local {
        return model.refuse("the local cloud is one place");
    }
    if !model.context.chosen() {
        return model.refuse("no cluster is chosen yet that could stay");
    }
    model.place.stays = !model.place.stays;
    let name = names(model).0;
    model.notify(super::msg::Notice::Good(match model.place.stays {
        true => format!("{name} stays in Fleet wherever the console goes"),
        false => format!("{name} leaves Fleet when the console goes elsewhere"),
    }));
    Vec::new()
}

/// The reads of neighbours that are due: none but while their rows are shown.
pub(super) fn due(model: &mut Model) -> Vec<Effect> {
    let shown = model.screen == Screen::Fleet && model.screens.fleet.level == Level::Servers;
    if !shown || model.place.beside.is_empty() {
        return Vec::new();
    }
    let now = model.now;
    let mut effects = Vec::new();
    // What is looked at takes work to find out, so it is found out for a read that begins.
    let due = |one: &Neighbour| matches!(one.reached, Reached::There) && one.fleet.is_due(now);
    let seen = if model.place.beside.iter().any(due) { fleet::rows_on_screen(model) } else { Vec::new() };
    for one in &mut model.place.beside {
        match one.reached {
            Reached::NotYet => {
                one.reached = Reached::OnTheWay;
                effects.push(Effect::Join(one.id, one.destination.clone()));
            }
            Reached::There if one.fleet.is_due(now) => {
                let own = one.key("");
                let names = seen.iter().filter_map(|key| key.strip_prefix(&own));
                let attention = fleet::looks_at(names.map(str::to_owned).collect(), one.fleet.get().is_some());
                let generation = one.fleet.begin(now);
                effects.push(Effect::Of(one.id, Box::new(Effect::Fetch(Fetch::Fleet(attention), generation))));
            }
            Reached::There | Reached::OnTheWay | Reached::Refused(_) => {}
        }
    }
    effects
}

/// Takes that there is a session with a neighbour, or why not.
pub(super) fn joined(model: &mut Model, id: PlaceId, context: Result<Context, Refusal>) -> Vec<Effect> {
    let shown = Destination::here(&model.context);
    let Some(one) = model.place.beside.iter_mut().find(|one| one.id == id) else { return Vec::new() };
    match context {
        Ok(context) => (one.destination, one.reached) = (Destination::here(&context), Reached::There),
        Err(refusal) => one.reached = Reached::Refused(refusal),
    }
    // Named twice, in other words.
    let mut before = vec![shown];
    model.place.beside.retain(|one| {
        let new = !before.contains(&one.destination);
        before.push(one.destination.clone());
        new
    });
    Vec::new()
}

/// Takes what came from a neighbour. Nothing but its servers is read there.
pub(super) fn received(model: &mut Model, id: PlaceId, msg: Msg) {
    let now = model.now;
    let Some(one) = model.place.beside.iter_mut().find(|one| one.id == id) else { return };
    let pace = if one.moving() { FAST } else { STEADY };
    match msg {
        Msg::Loaded(generation, Answer::Fleet(result)) => {
            one.fleet.resolve(generation, result, now, pace);
        }
        Msg::FleetSoFar(generation, fleet) => {
            one.fleet.so_far(generation, *fleet, now);
        }
        _ => return,
    }
    // Found out once, and not at every frame.
    let wrong = |server: &Server| Cause::of(&findings(server, now)).is_some();
    one.unwell = one.fleet.get().is_some_and(|fleet| fleet.servers.iter().any(wrong));
}

/// Reads them again now, and tries again to reach those that were not reached.
pub(super) fn refresh(model: &mut Model) {
    for one in &mut model.place.beside {
        match one.reached {
            Reached::Refused(_) => one.reached = Reached::NotYet,
            Reached::NotYet | Reached::OnTheWay | Reached::There => one.fleet.hasten(),
        }
    }
}

/// Somebody has signed in: whoever was refused for want of that is reached anew.
pub(super) fn signed_in(model: &mut Model) {
    for one in &mut model.place.beside {
        if one.fleet.error().is_some_and(|error| error.signed_out()) {
            one.reached = Reached::NotYet;
            one.fleet.abandon();
            one.fleet.hasten();
        }
    }
}

/// Somebody has signed in to another account: what was read with that profile is of the one before.
pub(super) fn signed_in_elsewhere(model: &mut Model) {
    for one in model.place.beside.iter_mut().filter(|one| one.destination.profile == model.context.profile) {
        (one.reached, one.unwell) = (Reached::NotYet, false);
        one.fleet.reset();
    }
}

/// What is to be done on arrival: with which server, and what else than opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errand {
    pub server: String,
    pub action: Option<Action>,
}

/// Carries out an action where what is selected is a neighbour's: goes there first. `None` where it is not, or where
/// the action does not act on what is selected.
pub(super) fn act(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    let on_selection = match action {
        Action::FaultsOnly => false,
        Action::Open | Action::Copy | Action::AwsConsole => true,
        other => other.info().scope == Scope::Screen(Screen::Fleet),
    };
    if !on_selection || model.screen != Screen::Fleet || model.place.beside.is_empty() {
        return None;
    }
    let view = fleet::view(model);
    let (neighbour, server) = selected(model, &view)?;
    let (destination, server) = (neighbour.destination.clone(), server.map(|server| server.name.clone()));
    let effects = place::go(model, destination);
    model.place.errand(server.map(|server| Errand { server, action: (action != Action::Open).then_some(action) }));
    Some(effects)
}

/// Takes that the console has gone from `left` to `destination`: whoever it goes to is a neighbour no longer, and the
/// place that was left is one from now on, if it was to stay. What is known of the place, and since when.
pub(super) fn gone(
    model: &mut Model,
    destination: &Destination,
    left: (Destination, Remote<Fleet>),
) -> Option<(Fleet, Timestamp)> {
    if left.0 == *destination {
        return None;
    }
    if std::mem::take(&mut model.place.stays) {
        let id = model.place.new_id();
        let mut one = Neighbour::new(id, left.0, model.place.rank);
        one.fleet = left.1;
        // Nobody waits for what was asked for from there.
        one.fleet.abandon();
        model.place.beside.push(one);
    }
    // A place that is new here stands last.
    model.place.rank = model.place.beside.iter().map(|one| one.rank + 1).max().unwrap_or(0);
    let index = model.place.beside.iter().position(|one| one.destination == *destination)?;
    let Neighbour { fleet: known, rank, .. } = model.place.beside.remove(index);
    (model.place.stays, model.place.rank) = (true, rank);
    known.get().cloned().zip(known.read_at())
}
