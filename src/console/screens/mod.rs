//! The table of screens and the table of what they read. Each screen has a module of its own with
//! its state, its rows and what its keys do.

pub mod clients;
pub mod doctor;
pub mod everywhere;
pub mod fleet;
pub mod insights;
pub mod logs;
pub mod requests;
pub mod revisions;
pub mod stack;
pub mod timeline;
pub mod users;

use jiff::Timestamp;

use super::action::{Action, ActionInfo, Handler, Scope};
use super::effect::Effect;
use super::model::Model;
use super::remote::{Ask, Generation, Remote};
use super::table::{Column, Move, Row, Table};
use crate::core::client::ClientList;
use crate::core::destination::{Cluster, Profile};
use crate::core::error::{CloudError, CloudResult};
use crate::core::fleet::{Attention, Compared, Comparison, Fleet};
use crate::core::identity::Identity;
use crate::core::issue::Issue;
use crate::core::logs::words::{Ended, Said};
use crate::core::metrics::{self, Measured};
use crate::core::operation::Announced;
use crate::core::quarantine::Quarantine;
use crate::core::requests::{Lately, Watched};
use crate::core::shift::{Nowhere, Shifts};
use crate::core::stack::{Stack, StackDetail, StackRef};
use crate::core::timeline::{History, Stretch};
use crate::core::user::UserList;

/// A table as it is to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What the table shows, such as `servers` or `tasks of time`.
    pub title: String,
    pub columns: Vec<Column>,
    /// The rows shown, in order.
    pub rows: Vec<Row>,
    /// Rows before filtering.
    pub all: usize,
    /// Index of the selected row.
    pub selected: Option<usize>,
    /// What to say where there is no row.
    pub empty: String,
}

impl View {
    /// Key of the selected row.
    pub fn selected_key(&self) -> Option<&str> {
        Some(&self.rows.get(self.selected?)?.key)
    }
}

/// A row of the table of screens: how the console shows a screen, moves on it, keeps its data fresh
/// and leaves it.
///
/// The step, the header and the polling go by this row, so a new screen changes none of them. To add a
/// screen, add a row here and a module with its state; `ui` does not compile until it can draw it.
pub struct ScreenInfo {
    pub title: &'static str,
    /// The action that shows it: name, key and help. A screen that can be shown from everywhere has a tab.
    pub shown: ActionInfo,
    /// Where to go when there is nothing left to leave on it; none for the root.
    pub parent: Option<Screen>,
    pub body: Body,
    /// What must be fresh while it is shown.
    pub reads: fn(&mut Model) -> Vec<Fetch>,
    /// How old its data is; `None` where the screen says so itself.
    pub freshness: fn(&Model) -> Option<Freshness>,
    /// Leaves the innermost thing, such as a filter or a drill-in. `None` where there is none.
    pub back: fn(&mut Model) -> Option<Vec<Effect>>,
    /// Opens the selected row.
    pub open: Handler,
    /// Copies the selection.
    pub copy: Handler,
}

/// What a screen shows, as far as moving and filtering go.
pub enum Body {
    Table {
        view: fn(&Model) -> View,
        state: fn(&mut Model) -> &mut Table,
    },
    /// Lines with a cursor and a search of their own.
    Lines {
        go: fn(&mut Model, Move) -> Vec<Effect>,
        search: fn(&Model) -> String,
        set_search: fn(&mut Model, &str),
    },
}

/// How old data is, and why it was not read again.
#[derive(Debug, Clone)]
pub struct Freshness {
    pub read_at: Option<Timestamp>,
    pub error: Option<CloudError>,
}

/// The freshness of one remote value.
fn fresh<T>(remote: &Remote<T>) -> Option<Freshness> {
    Some(Freshness { read_at: remote.read_at(), error: remote.error().cloned() })
}

macro_rules! screens {
    ($($(#[$doc:meta])* $screen:ident $module:ident {
        title: $title:literal,
        shown: $name:literal $scope:ident $(($of:ident))? [$($key:literal),*] $help:literal => $show:expr,
        parent: $parent:expr,
        body: $body:expr,
        reads: $reads:expr,
        freshness: $freshness:expr,
    })*) => {
        /// One of the screens.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Screen { $($(#[$doc])* $screen,)* }

        /// The state of every screen.
        #[derive(Debug, Clone, Default)]
        pub struct States { $($(#[$doc])* pub $module: $module::State,)* }

        /// The table of screens, in the order of their tabs.
        pub const SCREENS: &[ScreenInfo] = &[$(ScreenInfo {
            title: $title,
            shown: ActionInfo {
                action: Action::Show(Screen::$screen),
                name: $name,
                scope: Scope::$scope $((Screen::$of))?,
                keys: &[$($key),*],
                writes: false,
                doc: $help,
                run: $show,
            },
            parent: $parent,
            body: $body,
            reads: $reads,
            freshness: $freshness,
            back: $module::back,
            open: $module::open,
            copy: $module::copy,
        },)*];
    };
}

screens! {
    /// Servers and their health.
    Fleet fleet {
        title: "Fleet",
        shown: "fleet" Global ["1"] "servers and their health" => |model| model.show(Screen::Fleet),
        parent: None,
        body: Body::Table { view: fleet::view, state: |model| model.screens.fleet.table_mut() },
        reads: fleet::reads,
        freshness: fleet::freshness,
    }
    Logs logs {
        title: "Logs",
        shown: "logs-screen" Global ["2"] "log lines of one or more servers" => logs::show,
        parent: Some(Screen::Fleet),
        body: Body::Lines { go: logs::go, search: logs::search, set_search: logs::set_search },
        // The fleet is read so that lines of new servers join by themselves.
        reads: |_| vec![Fetch::ANY_FLEET],
        freshness: |_| None,
    }
    Stack stack {
        title: "Stack",
        shown: "stack" Global ["3"] "CloudFormation stacks, resources, events" => stack::show,
        parent: Some(Screen::Fleet),
        body: Body::Table { view: stack::view, state: |model| model.screens.stack.table_mut() },
        reads: stack::reads,
        freshness: stack::freshness,
    }
    /// Cognito app clients.
    Clients clients {
        title: "Clients",
        shown: "clients" Global ["4"] "Cognito app clients" => |model| model.show(Screen::Clients),
        parent: Some(Screen::Fleet),
        body: Body::Table { view: clients::view, state: |model| &mut model.screens.clients.table },
        reads: |_| vec![Fetch::Clients, Fetch::Quarantine],
        freshness: |model| fresh(&model.screens.clients.remote),
    }
    /// What happened, by time.
    Timeline timeline {
        title: "Timeline",
        shown: "timeline" Global ["5"] "what happened: deployments, stops, errors, scaling" => timeline::show,
        parent: Some(Screen::Fleet),
        body: Body::Table { view: timeline::view, state: |model| &mut model.screens.timeline.table },
        reads: timeline::reads,
        freshness: timeline::freshness,
    }
    /// The way from a client to an answer.
    Doctor doctor {
        title: "Doctor",
        shown: "doctor" Global ["6"] "which link is broken on the way to a server" => doctor::show,
        parent: Some(Screen::Fleet),
        body: Body::Table { view: doctor::view, state: |model| &mut model.screens.doctor.table },
        // It asks the servers themselves, so it asks when it is told to, and by no timer.
        reads: |_| Vec::new(),
        freshness: doctor::freshness,
    }
    /// Requests per tool and client.
    Requests requests {
        title: "Requests",
        shown: "requests" Global ["m"] "requests, errors and latency per tool and client" => requests::show,
        parent: Some(Screen::Fleet),
        body: Body::Table { view: requests::view, state: |model| &mut model.screens.requests.table },
        reads: requests::reads,
        freshness: |_| None,
    }
    /// Two task definitions of a server.
    Revisions revisions {
        title: "Revisions",
        shown: "revisions" Screen(Fleet) ["v"] "what changed: two task definitions side by side" => revisions::show,
        parent: Some(Screen::Fleet),
        body: Body::Table { view: revisions::view, state: |model| &mut model.screens.revisions.table },
        reads: revisions::reads,
        freshness: revisions::freshness,
    }
    /// People who sign in.
    Users users {
        title: "Users",
        shown: "users" Screen(Clients) ["u"] "people who sign in: sign them out, disable them" => |model| model.show(Screen::Users),
        parent: Some(Screen::Clients),
        body: Body::Table { view: users::view, state: |model| &mut model.screens.users.table },
        reads: |_| vec![Fetch::Users, Fetch::Quarantine],
        freshness: users::freshness,
    }
    /// Results of a Logs Insights query.
    Insights insights {
        title: "Insights",
        shown: "insights" Screen(Logs) ["i"] "a Logs Insights query over these log groups" => insights::ask,
        parent: Some(Screen::Logs),
        body: Body::Table { view: insights::view, state: |model| &mut model.screens.insights.table },
        reads: |_| Vec::new(),
        freshness: insights::freshness,
    }
}

impl Screen {
    /// Its row in the table.
    pub fn info(self) -> &'static ScreenInfo {
        // The table is made from the same list as the enum, in the same order.
        &SCREENS[self as usize]
    }

    /// Those with a tab, in the order of their keys.
    pub fn tabs() -> impl Iterator<Item = Self> {
        let tabs = SCREENS.iter().filter(|info| info.shown.scope == Scope::Global);
        tabs.filter_map(|info| match info.shown.action {
            Action::Show(screen) => Some(screen),
            _ => None,
        })
    }

    /// The tab under which it is shown: its own, or that of the screen it was reached from.
    pub fn tab(self) -> Self {
        match self.info().shown.scope {
            Scope::Screen(from) => from,
            Scope::Global | Scope::Operation => self,
        }
    }
}

macro_rules! reads {
    ($($(#[$doc:meta])* $read:ident $(($of:ty))? -> $value:ty: $($remote:ident).+, every $pace:expr $(, anew after $pause:expr)?;)*) => {
        /// Something that can be fetched from AWS.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Fetch { $($(#[$doc])* $read $(($of))?,)* }

        /// The answer to a fetch: the value, or why there is none.
        #[derive(Debug, Clone)]
        pub enum Answer { $($(#[$doc])* $read(CloudResult<$value>),)* }

        impl Fetch {
            /// Where its value is kept.
            pub(super) fn remote<'a>(&self, model: &'a mut Model) -> &'a mut dyn Ask {
                match self { $(Self::$read { .. } => &mut model.$($remote).+,)* }
            }

            /// The answer of a read that failed as a whole.
            pub fn failed(&self, error: CloudError) -> Answer {
                match self { $(Self::$read { .. } => Answer::$read(Err(error)),)* }
            }
        }

        impl Answer {
            /// Why there is no value.
            pub fn error(&self) -> Option<&CloudError> {
                match self { $(Self::$read(result) => result.as_ref().err(),)* }
            }

            /// Keeps the value; the one before stays where there is none.
            pub(super) fn keep(self, model: &mut Model, generation: Generation) {
                let now = model.now;
                match self {
                    $(Self::$read(result) => {
                        let pace: fn(&Model) -> i64 = $pace;
                        let seconds = pace(model);
                        model.$($remote).+.resolve(generation, result, now, seconds);
                    })*
                }
            }
        }

        /// Every value that is read while a screen is shown.
        pub(super) fn remotes(model: &mut Model) -> Vec<&mut dyn Ask> {
            vec![$(&mut model.$($remote).+),*]
        }

        /// The same, each with the seconds before it is read again where the operator asks for it.
        pub(super) fn with_pauses(model: &mut Model) -> Vec<(&mut dyn Ask, i64)> {
            vec![$((&mut model.$($remote).+, reads!(@ $($pause)?))),*]
        }
    };
    (@) => { AT_ONCE };
    (@ $pause:expr) => { $pause };
}

reads! {
    /// Who is calling.
    Identity -> Identity: identity, every |_| SLOW;
    /// The servers of the cluster, by what of them is looked at.
    Fleet(Attention) -> Fleet: screens.fleet.remote, every fleet::pace;
    /// The operations that are announced on the cluster, of this console and of others.
    Announced -> Vec<Announced>: screens.fleet.announced, every |_| SLOW;
    /// Figures of the last hour of these servers, and the alarms.
    Measured(Vec<String>) -> Box<Measured>: screens.fleet.metrics, every |_| metrics::EVERY, anew after fleet::PATIENCE;
    /// The requests of the last minutes of these servers, where the log is not followed.
    Traffic(Watched) -> Box<Lately>: screens.fleet.traffic, every fleet::watching, anew after fleet::WATCHING;
    /// What these tasks said last before they ended.
    Words(Vec<Ended>) -> Vec<Said>: screens.fleet.words, every |_| STEADY;
    /// What AWS says of its own issues; `None` where nothing keeps it.
    Issues -> Option<Vec<Issue>>: screens.fleet.issues, every fleet::issues_every, anew after LONG;
    /// What keeps requests away from zones of the load balancer, or why nothing can.
    Shifts -> Result<Box<Shifts>, Nowhere>: screens.fleet.shifts, every fleet::issues_every, anew after LONG;
    /// Two task definitions of a server.
    Revisions(Comparison) -> Box<Compared>: screens.revisions.remote, every |_| revisions::SELDOM;
    /// All stacks of the environment.
    Stacks -> Vec<Stack>: screens.stack.remote, every stack::pace, anew after LONG;
    /// Resources and events of one stack.
    StackDetail(StackRef) -> StackDetail: screens.stack.detail, every stack::pace;
    /// What the fleet does not know: events of stacks, scaling, counts of requests, alarms, operations of this machine.
    History(Stretch) -> History: screens.timeline.past, every timeline::pace;
    /// The clusters of the account and region.
    Clusters -> Vec<Cluster>: place.clusters, every |_| SLOW;
    /// The profiles of the AWS configuration files.
    Profiles -> Vec<Profile>: place.profiles, every |_| SLOW;
    /// The clients of the environment's user pool.
    Clients -> ClientList: screens.clients.remote, every clients::pace;
    /// Who is kept out of the environment's servers.
    Quarantine -> Quarantine: screens.clients.quarantine, every clients::pace;
    /// The people of the environment's user pool.
    Users -> UserList: screens.users.remote, every clients::pace;
}

impl Fetch {
    /// The fleet, before it is known what of it is looked at.
    pub(super) const ANY_FLEET: Self =
        Self::Fleet(Attention { seen: Vec::new(), selected: None, opened: None, targets: false, anew: false });
}

/// Seconds between two reads where the operator asks for another one.
const AT_ONCE: i64 = 1;
/// The same of a list that may take many calls.
const LONG: i64 = 6;
/// Seconds between two reads of what changes slowly.
const SLOW: i64 = 10;
/// Seconds between two reads of health.
pub(super) const STEADY: i64 = 4;
/// Seconds between two reads while something changes.
pub(super) const FAST: i64 = 1;
