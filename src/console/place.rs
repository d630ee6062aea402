//! Where the console is, and how it goes elsewhere.
//!
//! A place is a cluster in a region of an account, seen with one set of credentials. Each arrival makes a new one with
//! an id of its own, also where the console has been before. Everything that a place answers carries that id
//! ([`Msg::Of`]), and what does not come from the place that is shown is dropped, whatever it is: so nothing that was
//! read in one place is shown under the name of another. Operations stay bound to the place where they were
//! approved: their news comes from there, and what they want done goes there ([`Effect::Of`]).

mod sign_in;

use std::collections::BTreeMap;

pub use self::sign_in::sign_in;
pub(super) use self::sign_in::{credentials, refused, signed_in};
use super::action::Action;
use super::beside::{self, Errand, Neighbour};
use super::dialogs::choose::{self, Choice};
use super::effect::Effect;
use super::model::Model;
use super::msg::{Msg, Notice};
use super::remote::{Ask as _, Remote};
use super::screens::{Body, Screen, States, fleet, logs};
use super::table::Row;
use super::{operations, update};
use crate::core::destination::{Cluster, Destination, Profile, Target};
use crate::core::error::{CloudError, Refusal};
use crate::core::identity::Context;
use crate::core::operation::{Event, Operation, Phase};
use crate::core::text::count;

/// Names a place for as long as the console runs. The one where it began is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PlaceId(u32);

impl std::fmt::Display for PlaceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "place {}", self.0)
    }
}

/// A place that was reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    pub context: Context,
    /// What earlier runs left unfinished there.
    pub unfinished: Vec<Operation>,
}

/// Where the console is, and where it may go.
#[derive(Debug, Clone, Default)]
pub struct State {
    shown: PlaceId,
    newest: PlaceId,
    going: Option<(PlaceId, Destination)>,
    /// The clusters of the account and region.
    pub clusters: Remote<Vec<Cluster>>,
    /// The profiles of the AWS configuration files.
    pub profiles: Remote<Vec<Profile>>,
    /// Where each operation acts.
    bound: BTreeMap<String, PlaceId>,
    /// What was selected in the place before, by screen, until it is known whether it is here, too.
    carried: BTreeMap<Screen, Carried>,
    /// The places whose servers stand in Fleet beside those of the one that is shown.
    pub beside: Vec<Neighbour>,
    /// Whether the place that is shown stays in Fleet when the console goes elsewhere.
    pub(super) stays: bool,
    /// Where its rows stand in Fleet among those of the others.
    pub(super) rank: u32,
    /// What is to be done on arrival, and where.
    errand: Option<(PlaceId, Errand)>,
    /// Whether the clusters are offered if the one that was asked for is not there: it was not chosen here.
    offers: bool,
    /// Why the credentials are not accepted any more.
    signed_out: Option<CloudError>,
    /// Whether somebody is signing in.
    signing_in: bool,
}

/// What came of signing in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// The credentials are of the same account.
    Same,
    /// They are of another one.
    Elsewhere,
}

/// What was selected on a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Carried {
    /// Its names, the most likely one first.
    names: Vec<String>,
    /// Whether it was open, or its log was shown.
    opened: bool,
    /// What is to be done with it.
    action: Option<Action>,
}

impl State {
    /// The place that is shown.
    pub fn shown(&self) -> PlaceId {
        self.shown
    }

    /// A name for a place that no other has.
    pub(super) fn new_id(&mut self) -> PlaceId {
        self.newest.0 += 1;
        self.newest
    }

    /// What is to be done as soon as the console is where it is going to.
    pub(super) fn errand(&mut self, errand: Option<Errand>) {
        self.errand = self.going.as_ref().map(|(id, _)| *id).zip(errand);
    }

    /// Where the console is on its way to.
    pub fn going(&self) -> Option<&Destination> {
        self.going.as_ref().map(|(_, destination)| destination)
    }

    /// Whether this place stands in Fleet beside the one that is shown.
    pub fn is_beside(&self, place: PlaceId) -> bool {
        self.beside.iter().any(|one| one.id() == place)
    }

    /// Whether this place is awaited.
    pub fn awaits(&self, place: PlaceId) -> bool {
        self.going.as_ref().is_some_and(|(going, _)| *going == place)
    }

    /// The place where an operation acts.
    pub fn of_operation(&self, id: &str) -> PlaceId {
        self.bound.get(id).copied().unwrap_or(self.shown)
    }

    /// Whether somebody is signing in, so that nothing is read.
    pub fn signing_in(&self) -> bool {
        self.signing_in
    }

    /// Why the credentials are not accepted any more, if they are not. What is on the screen stays.
    pub fn signed_out(&self) -> Option<&CloudError> {
        self.signed_out.as_ref()
    }
}

/// Binds an operation to the place that is shown.
pub(super) fn bind(model: &mut Model, id: &str) {
    model.place.bound.insert(id.to_owned(), model.place.shown);
}

/// Whether an operation acts where the console is, as far as names tell.
pub fn is_here(model: &Model, operation: &Operation) -> bool {
    model.place.of_operation(operation.id()) == model.place.shown || operation.plan.target.is_in(&model.context)
}

/// Where an operation acts, in words.
pub fn words(operation: &Operation) -> String {
    let target = &operation.plan.target;
    format!("{} in {}", target.environment, target.region)
}

/// Goes somewhere. What is shown stays until it is reached.
pub fn go(model: &mut Model, destination: Destination) -> Vec<Effect> {
    if model.context.local {
        return alone(model);
    }
    if destination == Destination::here(&model.context) {
        model.notify(Notice::Good("the console is there already".into()));
        return Vec::new();
    }
    enter(model, destination)
}

/// The local cloud has no others beside it. Whoever wants to choose one is told before they do.
fn alone(model: &mut Model) -> Vec<Effect> {
    model.refuse("the local cloud is one place; start quarterdeck without --local to go elsewhere")
}

/// Opens the list of what one can go to.
fn choose(model: &mut Model, choice: Choice) -> Vec<Effect> {
    if model.context.local { alone(model) } else { choose::open(model, choice) }
}

fn enter(model: &mut Model, destination: Destination) -> Vec<Effect> {
    let id = model.place.new_id();
    model.place.going = Some((id, destination.clone()));
    vec![Effect::Enter(id, destination)]
}

/// Chooses a profile.
pub fn choose_profile(model: &mut Model) -> Vec<Effect> {
    model.place.profiles.hasten();
    choose(model, Choice::Profile)
}

/// Chooses a region.
pub fn choose_region(model: &mut Model) -> Vec<Effect> {
    choose(model, Choice::Region)
}

/// Chooses a cluster of the account and region.
pub fn choose_cluster(model: &mut Model) -> Vec<Effect> {
    model.place.clusters.hasten();
    choose(model, Choice::Cluster)
}

/// Chooses an environment of the account and region.
pub fn choose_environment(model: &mut Model) -> Vec<Effect> {
    model.place.clusters.hasten();
    choose(model, Choice::Environment)
}

/// Takes that a place was reached, or why not.
pub(super) fn entered(model: &mut Model, id: PlaceId, arrival: Result<Arrival, Refusal>) -> Vec<Effect> {
    let Some((_, destination)) = model.place.going.take_if(|(going, _)| *going == id) else { return Vec::new() };
    let Arrival { context, unfinished } = match arrival {
        Ok(arrival) => arrival,
        Err(refusal) => {
            return operations::refuse(model, "not gone there", &refusal);
        }
    };
    let mut effects = leave(model);
    // A target that was kept on the way to another account or region was not chosen there.
    let kept = destination.target == Destination::here(&model.context).target;
    let mut carried = carried(model, &context.environment);
    if let Some((_, Errand { server, action })) = model.place.errand.take_if(|(place, _)| *place == id) {
        carried.insert(Screen::Fleet, Carried { names: vec![server], opened: action.is_none(), action });
    }
    let left = (Destination::here(&model.context), std::mem::take(&mut model.screens.fleet.remote));
    let known = beside::gone(model, &Destination::here(&context), left);
    model.place.shown = id;
    model.context = context;
    renew(model);
    if let Some((fleet, at)) = known {
        model.screens.fleet.remote = Remote::known(fleet, at);
    }
    (model.place.carried, model.place.offers) = (carried, kept);
    rebind(model);
    let new = unfinished.into_iter().filter(|one| model.operation(one.id()).is_none());
    let new: Vec<Operation> = new.collect();
    operations::unfinished(model, new);
    go_on_elsewhere(model);
    if !model.context.chosen() {
        effects.extend(choose_cluster(model));
    }
    if !model.screens.fleet.remote.is_empty() {
        fleet::read(model);
        effects.extend(settle(model));
    }
    effects
}

/// Leaves the place that is shown: what was only proposed there is refused, and what follows it is stopped.
fn leave(model: &mut Model) -> Vec<Effect> {
    let proposed = model.operations.iter().filter(|operation| operation.phase == Phase::Proposed);
    let proposed: Vec<String> = proposed.map(|operation| operation.id().to_owned()).collect();
    let mut effects = Vec::new();
    for id in proposed {
        effects.extend(operations::event(model, &id, Event::Refuse("the console went elsewhere".into())));
    }
    let old = model.place.shown;
    effects.into_iter().map(|effect| bound_to(old, effect)).collect()
}

fn bound_to(place: PlaceId, effect: Effect) -> Effect {
    match effect {
        Effect::Of(..) => effect,
        other => Effect::Of(place, Box::new(other)),
    }
}

/// Forgets everything that was read, and closes what shows it. How the operator likes to look at things stays.
fn renew(model: &mut Model) {
    let mut before = std::mem::take(&mut model.screens);
    let mut screens = States::default();
    logs::keep_manner(&before.logs, &mut screens.logs);
    let faults_only = before.fleet.table_mut().faults_only;
    screens.fleet.table_mut().faults_only = faults_only;
    model.screens = screens;
    model.identity.reset();
    model.place.clusters.reset();
    model.place.signed_out = None;
    // A plan that is on its way is dropped when it comes.
    model.planning += 1;
    model.dialogs.clear();
    model.prompt = None;
    model.toasts.clear();
    (model.calls, model.ahead) = (0, 0);
    model.usage.clear();
    model.latency = None;
    // There is no query whose results it could show.
    if model.screen == Screen::Insights {
        model.screen = Screen::Logs;
    }
}

/// What is selected, by its names here and, where they have the environment's name in them, there.
fn carried(model: &mut Model, environment: &str) -> BTreeMap<Screen, Carried> {
    let (mut all, from) = (BTreeMap::new(), model.context.environment.clone());
    for screen in [Screen::Fleet, Screen::Stack, Screen::Clients] {
        let Body::Table { view, .. } = screen.info().body else { continue };
        let opened = screen == Screen::Fleet && fleet::opened(model).is_some();
        let name = match fleet::opened(model).filter(|_| opened) {
            Some(server) => Some(server.to_owned()),
            None => {
                let view = view(model);
                view.selected.and_then(|row| Some(view.rows.get(row)?.cells.first()?.text.clone()))
            }
        };
        let Some(name) = name else { continue };
        let there = (!from.is_empty()).then(|| name.replacen(&from, environment, 1));
        let names = there.into_iter().chain([name]).collect();
        all.insert(screen, Carried { names, opened, action: None });
    }
    if model.screen == Screen::Logs || model.screen == Screen::Insights {
        let names = model.screens.logs.store.filter().servers.iter().cloned().collect();
        all.insert(Screen::Logs, Carried { names, opened: true, action: None });
    }
    all
}

/// Selects what was selected in the place before, as soon as it is known to be here.
pub(super) fn settle(model: &mut Model) -> Vec<Effect> {
    let mut effects = offer(model);
    let listing = model.screens.fleet.remote.get().is_none_or(|fleet| fleet.listing);
    for screen in model.place.carried.keys().copied().collect::<Vec<_>>() {
        let ready = match screen {
            Screen::Fleet | Screen::Logs => !listing,
            Screen::Stack => model.screens.stack.remote.get().is_some(),
            _ => model.screens.clients.remote.get().is_some(),
        };
        if ready && let Some(carried) = model.place.carried.remove(&screen) {
            effects.extend(select(model, screen, &carried));
        }
    }
    effects
}

fn select(model: &mut Model, screen: Screen, carried: &Carried) -> Vec<Effect> {
    if screen == Screen::Logs {
        let one = carried.names.first().filter(|name| carried.names.len() == 1 && fleet::knows(model, name)).cloned();
        return if model.screen == Screen::Logs { logs::follow(model, one.as_deref()) } else { Vec::new() };
    }
    let Body::Table { view, state } = screen.info().body else { return Vec::new() };
    let rows = view(model).rows;
    let own = |row: &&Row| screen != Screen::Fleet || beside::is_own(&row.key);
    let called = |row: &Row, name: &String| row.cells.first().is_some_and(|cell| cell.text == *name);
    let named = |name: &String| rows.iter().filter(own).find(|row| called(row, name));
    let Some(row) = carried.names.iter().find_map(named) else { return Vec::new() };
    // What the operator has selected here meanwhile counts.
    if state(model).touched() {
        return Vec::new();
    }
    state(model).select(&row.key);
    if carried.opened && model.screen == screen {
        return fleet::drill(model, &row.key);
    }
    // Not over what the operator has opened meanwhile.
    let free = model.screen == screen && model.dialogs.is_empty();
    carried.action.filter(|_| free).map(|action| (action.info().run)(model)).unwrap_or_default()
}

/// Offers the clusters that are there, once, if the one that was brought along is not.
fn offer(model: &mut Model) -> Vec<Effect> {
    let Some(fleet) = model.screens.fleet.remote.get() else { return Vec::new() };
    let absent = fleet.no_cluster;
    if !std::mem::take(&mut model.place.offers) || !absent || !model.dialogs.is_empty() {
        return Vec::new();
    }
    choose_cluster(model)
}

/// Operations that wait in the place that the console comes back to are gone on with here. One that is under way
/// goes on with the credentials with which it was approved.
fn rebind(model: &mut Model) {
    let waits = |operation: &&Operation| !operation.active() && is_here(model, operation);
    let here: Vec<String> = model.operations.iter().filter(waits).map(|operation| operation.id().to_owned()).collect();
    here.iter().for_each(|id| bind(model, id));
}

/// Tells of operations that go on in the place that was left.
fn go_on_elsewhere(model: &mut Model) {
    let there =
        |operation: &&Operation| operation.active() && model.place.of_operation(operation.id()) != model.place.shown;
    let going: Vec<&Operation> = model.operations.iter().filter(there).collect();
    let Some(first) = going.first() else { return };
    let what = match going.as_slice() {
        [one] => one.plan.title.clone(),
        more => count(more.len(), "operation"),
    };
    let text = format!("{what} goes on: {}", words(first));
    model.notify(Notice::Good(text));
}

/// Takes what came from a place.
pub(super) fn received(model: &mut Model, place: PlaceId, msg: Msg) -> Vec<Effect> {
    if let Msg::Operation(id, _) = &msg
        && model.place.of_operation(id) != place
    {
        // It acts elsewhere.
        return Vec::new();
    }
    if place == model.place.shown {
        return update::step(model, msg);
    }
    match msg {
        Msg::Operation(id, event) => operations::event(model, &id, event),
        // Nobody will execute its drafts.
        Msg::Planned(_, result) => {
            let drafts = result.map(|plan| plan.drafts).unwrap_or_default();
            if drafts.is_empty() { Vec::new() } else { vec![bound_to(place, Effect::Discard(drafts))] }
        }
        // That a file was saved is no data of the place.
        Msg::Notice(notice) => {
            model.notify(notice);
            Vec::new()
        }
        other => {
            beside::received(model, place, other);
            Vec::new()
        }
    }
}

/// The effects of an operation, for the place where it acts.
pub(super) fn of_operation(model: &Model, id: &str, effects: Vec<Effect>) -> Vec<Effect> {
    let place = model.place.of_operation(id);
    if place == model.place.shown {
        return effects;
    }
    effects.into_iter().map(|effect| bound_to(place, effect)).collect()
}

/// The answer of a read that needs a chosen cluster, for which none is chosen.
pub fn target_of(choice: Choice, typed: &str) -> Option<Target> {
    let typed = typed.trim();
    match choice {
        _ if typed.is_empty() => None,
        Choice::Cluster => Some(Target::of_cluster(typed)),
        Choice::Environment => Some(Target::Environment(typed.to_owned())),
        Choice::Profile | Choice::Region | Choice::Theme | Choice::Zone => None,
    }
}
