//! What the operator can do: one row each, with the function that does it. Help, footer, palette,
//! key docs and key bindings are all printed from these rows and from those of the screens.

use super::dialogs::choose::{self, Choice};
use super::effect::Effect;
use super::model::Model;
use super::screens::{
    SCREENS, Screen, clients, doctor, everywhere, fleet, insights, logs, requests, revisions, stack, timeline, users,
};
use super::{beside, browse, dialogs, operations, place, poll};
use crate::core::health::Remedy;
use crate::core::operation::PlanRequest;
use crate::core::operation::user::UserChange;

/// Where an action is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Global,
    Screen(Screen),
    /// A dialog that shows an operation.
    Operation,
}

impl Scope {
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Global",
            Self::Screen(screen) => screen.info().title,
            Self::Operation => "Operation",
        }
    }
}

/// Carries out an action.
pub type Handler = fn(&mut Model) -> Vec<Effect>;

/// A row of the action table: one thing that the operator can do.
///
/// Help, footer, palette, `quarterdeck keys` and the key bindings are all made from these rows, so an
/// action cannot be listed and not work. To add an action, add a row to `actions!` with the function
/// that carries it out; one that writes gets a capital letter.
#[derive(Debug, Clone, Copy)]
pub struct ActionInfo {
    pub action: Action,
    /// Its name in the configuration file and the palette.
    pub name: &'static str,
    pub scope: Scope,
    /// Default keys.
    pub keys: &'static [&'static str],
    /// Whether it leads to a write; its keys must then be capital letters.
    pub writes: bool,
    /// One line for help.
    pub doc: &'static str,
    pub run: Handler,
}

macro_rules! actions {
    ($($variant:ident $name:literal $scope:ident [$($key:literal),*] $effect:ident $doc:literal => $run:expr;)*) => {
        /// Something the operator can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $(#[doc = $doc] $variant,)*
            /// Go to a screen. Its row is in the table of screens.
            Show(Screen),
        }

        /// Every action but those that show a screen, in the order in which help shows them.
        const ACTIONS: &[ActionInfo] = &[
            $(ActionInfo {
                action: Action::$variant, name: $name, scope: $scope, keys: &[$($key),*],
                writes: $effect, doc: $doc, run: $run,
            },)*
        ];

        impl Action {
            /// Its row in the table.
            pub fn info(self) -> &'static ActionInfo {
                match self {
                    // Both tables are made from the same list as their enum, in the same order.
                    $(Self::$variant => &ACTIONS[Index::$variant as usize],)*
                    Self::Show(screen) => &screen.info().shown,
                }
            }
        }

        /// Positions in [`ACTIONS`].
        enum Index { $($variant,)* }
    };
}

#[allow(non_upper_case_globals, reason = "read as words in the rows below")]
mod words {
    use super::{Scope, Screen};

    pub(super) const everywhere: Scope = Scope::Global;
    pub(super) const on_fleet: Scope = Scope::Screen(Screen::Fleet);
    pub(super) const on_logs: Scope = Scope::Screen(Screen::Logs);
    pub(super) const on_stack: Scope = Scope::Screen(Screen::Stack);
    pub(super) const on_clients: Scope = Scope::Screen(Screen::Clients);
    pub(super) const on_users: Scope = Scope::Screen(Screen::Users);
    pub(super) const on_timeline: Scope = Scope::Screen(Screen::Timeline);
    pub(super) const on_doctor: Scope = Scope::Screen(Screen::Doctor);
    pub(super) const on_requests: Scope = Scope::Screen(Screen::Requests);
    pub(super) const on_revisions: Scope = Scope::Screen(Screen::Revisions);
    pub(super) const on_insights: Scope = Scope::Screen(Screen::Insights);
    pub(super) const on_operation: Scope = Scope::Operation;
    pub(super) const reads: bool = false;
    pub(super) const writes: bool = true;
}
use words::{
    everywhere as global, on_clients, on_doctor, on_fleet, on_insights, on_logs, on_operation, on_requests,
    on_revisions, on_stack, on_timeline, on_users, reads, writes,
};

actions! {
    Down "down" global ["j", "down"] reads "next row" => everywhere::down;
    Up "up" global ["k", "up"] reads "previous row" => everywhere::up;
    Top "top" global ["g", "home"] reads "first row" => everywhere::top;
    Bottom "bottom" global ["G", "end"] reads "last row" => everywhere::bottom;
    HalfDown "half-down" global ["ctrl-d"] reads "half a page down" => everywhere::half_down;
    HalfUp "half-up" global ["ctrl-u"] reads "half a page up" => everywhere::half_up;
    PageDown "page-down" global ["ctrl-f", "pagedown"] reads "a page down" => everywhere::page_down;
    PageUp "page-up" global ["ctrl-b", "pageup"] reads "a page up" => everywhere::page_up;
    Open "open" global ["enter"] reads "open the selected row" => everywhere::open;
    Back "back" global ["esc"] reads "back, or close" => everywhere::back;
    Quit "quit" global ["q"] reads "back; quits at the root" => everywhere::quit;
    QuitNow "quit-now" global ["ctrl-c"] reads "quit" => everywhere::quit_now;
    Palette "palette" global [":"] reads "find a screen, an action or a server by name" => dialogs::palette::open;
    Filter "filter" global ["/"] reads "filter rows; !x hides, field:value picks a column" => everywhere::filter;
    Help "help" global ["?"] reads "keys of this screen" => dialogs::open_help;
    Refresh "refresh" global ["r"] reads "read everything again now" => poll::refresh;
    Operations "operations" global ["o"] reads "operations under way, paused and done" => dialogs::operations::open;
    Copy "copy" global ["c"] reads "copy the selection's ARN or text (OSC 52)" => everywhere::copy;
    Profile "profile" global ["ctrl-p"] reads "go to another AWS profile" => place::choose_profile;
    Region "region" global ["ctrl-r"] reads "go to another region" => place::choose_region;
    Cluster "cluster" global [] reads "go to another cluster of this account and region" => place::choose_cluster;
    Environment "environment" global [] reads "go to another environment of this account and region" => place::choose_environment;
    Pin "pin" global [] reads "keep this place in Fleet beside others, or no longer" => beside::pin;
    SignIn "sign-in" global ["ctrl-l"] reads "sign in again: aws sso login, or aws login" => place::sign_in;
    AwsConsole "aws-console" global ["b"] reads "open the AWS console at the selection" => browse::open;
    Theme "theme" global [] reads "choose other colours" => |model| choose::open(model, Choice::Theme);
    SortNext "sort-next" global ["f1"] reads "sort by the next column" => everywhere::sort_next;
    SortReverse "sort-reverse" global ["f2"] reads "reverse the sort order" => everywhere::sort_reverse;

    ServerLogs "logs" on_fleet ["l"] reads "logs of the selected server, or of the task alone" => fleet::logs;
    Describe "describe" on_fleet ["d"] reads "everything known of the selection" => fleet::describe;
    Raw "raw" on_fleet ["y"] reads "the selection as JSON" => fleet::raw;
    Events "events" on_fleet ["e"] reads "service events of the selected server" => fleet::events;
    FaultsOnly "faults-only" on_fleet ["z"] reads "show only what is not well" => fleet::faults_only;
    ToCause "cause" on_fleet ["w"] reads "select the server that the first line names" => fleet::to_cause;
    Scale "scale" on_fleet ["S"] writes "set the desired count or the autoscaling bounds" => fleet::scale;
    Restart "restart" on_fleet ["T"] writes "start a new deployment with the same task definition"
        => |model| fleet::plan(model, |server| PlanRequest::Restart { server });
    Rollback "rollback" on_fleet ["B"] writes "go back to the previous task definition"
        => |model| fleet::plan(model, |server| PlanRequest::Rollback { server, revision: None });
    StopTask "stop-task" on_fleet ["X"] writes "stop the selected task; its service replaces it" => fleet::stop_task;

    ShiftZone "shift-zone" on_fleet ["Z"] writes "take a zone out for a time, or let it in again"
        => fleet::shift_zone;
    StopDeployment "stop-deployment" on_fleet ["H"] writes "stop the deployment under way; ECS goes back to the revision before"
        => |model| fleet::plan(model, |server| PlanRequest::StopDeployment { server });

    Pause "pause" on_logs ["space"] reads "pause, or follow again (AWS bills live tails by the minute)" => logs::act::pause;
    Search "search" on_logs [] reads "search, the same as filter" => everywhere::filter;
    NextMatch "next-match" on_logs ["n"] reads "next match" => logs::act::next_match;
    PreviousMatch "previous-match" on_logs ["N"] reads "previous match" => logs::act::previous_match;
    Keep "keep" on_logs ["&"] reads "keep lines: a word, a regex, \"text\", tool=now ms>500 level>=warn" => logs::act::keep;
    Hide "hide" on_logs ["!"] reads "hide lines, by the same expressions" => logs::act::hide;
    NextError "next-error" on_logs ["e"] reads "next error or warning" => logs::act::next_error;
    PreviousError "previous-error" on_logs ["E"] reads "previous error or warning" => logs::act::previous_error;
    Older "older" on_logs ["["] reads "read an older window; so does going up from the first line" => logs::window::older;
    Newer "newer" on_logs ["]"] reads "read a newer window, up to the present" => logs::window::newer;
    JumpTime "jump" on_logs ["@"] reads "go to a time: 03:15, 15m or 1d ago, 2026-01-31 03:00, RFC 3339" => logs::act::jump;
    TimeMode "time" on_logs ["t"] reads "time: local, UTC, relative, off" => logs::act::times;
    Wrap "wrap" on_logs ["w"] reads "wrap long lines" => logs::act::wrap;
    Histogram "histogram" on_logs ["h"] reads "volume and errors over the time that is kept" => logs::act::histogram;
    Mark "mark" on_logs ["v"] reads "mark the selected line, or remove its mark" => logs::act::mark;
    NextMark "next-mark" on_logs [">"] reads "next marked line" => logs::act::next_mark;
    PreviousMark "previous-mark" on_logs ["<"] reads "previous marked line" => logs::act::previous_mark;
    LogDetail "parsed" on_logs ["p"] reads "the selected line as fields" => logs::act::open;
    LogFields "fields" on_logs ["f"] reads "choose the fields of JSON lines that are shown" => logs::act::fields;
    Sources "sources" on_logs ["s"] reads "choose servers and tasks" => logs::act::sources;
    LogSave "save" on_logs ["ctrl-s"] reads "save lines to a file, as text or NDJSON" => logs::act::save;

    StackDescribe "stack-describe" on_stack ["d"] reads "parameters and outputs of the selected stack" => stack::describe;
    StackEvents "stack-events" on_stack ["e"] reads "events of the selected stack" => stack::events;
    StackRevisions "stack-revisions" on_stack ["v"] reads "what changed in the selected stack's server" => revisions::show;
    Deploy "deploy" on_stack ["D"] writes "plan a deploy of the environment, then apply it"
        => |model| operations::plan(model, PlanRequest::Deploy { servers: Vec::new() });
    CancelUpdate "cancel-update" on_stack ["C"] writes "cancel the update of the selected stack" => stack::cancel_update;
    ContinueRollback "continue-rollback" on_stack ["R"] writes "go on with a rollback that failed" => stack::continue_rollback;
    Publish "publish" on_stack ["P"] writes "bring the images that the file names to their repositories in ECR"
        => |model| operations::plan(model, PlanRequest::Publish { servers: Vec::new(), gangway: false, from: None });
    Destroy "destroy" on_stack ["K"] writes "delete the whole environment (typed name)"
        => |model| operations::plan(model, PlanRequest::Destroy);

    ClientDescribe "client-describe" on_clients ["d"] reads "everything known of the selected client" => clients::describe;
    Rotate "rotate" on_clients ["O"] writes "rotate the selected client's secret" => clients::rotate;

    QuarantineClient "quarantine-client" on_clients ["Q"] writes "keep the selected client out for a time, or let it in again"
        => clients::quarantine;

    UserDescribe "users-describe" on_users ["d"] reads "everything known of the selected user" => users::describe;
    SignOut "sign-out" on_users ["O"] writes "end the refresh tokens of the selected user"
        => |model| users::change(model, UserChange::SignOut);
    SwitchUser "switch-user" on_users ["X"] writes "let the selected user sign in no more, or again" => users::switch;
    QuarantineUser "quarantine-user" on_users ["Q"] writes "keep the selected user out for a time, or let them in again"
        => users::quarantine;

    TimelineLogs "timeline-logs" on_timeline ["l"] reads "the log of the row's server at that time" => timeline::log;
    TimelineDescribe "timeline-describe" on_timeline ["d"] reads "the whole of the selected row" => timeline::describe;
    TimelineRevisions "timeline-revisions" on_timeline ["v"] reads "what changed in the row's server" => revisions::show;
    TimelineWindow "timeline-window" on_timeline ["w"] reads "the last hour, day or week" => timeline::window;
    TimelineFaults "timeline-faults" on_timeline ["z"] reads "show only what went wrong" => timeline::faults_only;

    DoctorAgain "doctor-again" on_doctor ["r"] reads "go the way again: it asks AWS and the server" => doctor::again;
    DoctorAll "doctor-all" on_doctor ["a"] reads "go the way to every server" => doctor::all;
    DoctorDescribe "doctor-describe" on_doctor ["d"] reads "the whole of the selected link" => doctor::describe;
    DoctorFaults "doctor-faults" on_doctor ["z"] reads "show only what is not well" => doctor::faults_only;

    Window "window" on_requests ["w"] reads "figures over 1, 5 or 15 minutes" => requests::window;
    GroupBy "group" on_requests ["b"] reads "a row per tool, per client, or per both" => requests::group;
    QuarantineCaller "quarantine-caller" on_requests ["Q"] writes "keep the row's client out for a time, or let it in again"
        => requests::quarantine;

    RevisionOlder "revision-older" on_revisions ["["] reads "compare with the revision before it" => revisions::older;
    RevisionNewer "revision-newer" on_revisions ["]"] reads "compare with the revision after it" => revisions::newer;
    RevisionAll "revision-all" on_revisions ["z"] reads "show every setting, or those alone that differ"
        => revisions::differing_only;

    Query "query" on_insights ["i"] reads "change the query and run it" => insights::ask;

    Resume "resume" on_operation ["R"] writes "go on with a paused operation" => operations::resume;
    FinishNow "finish-now" on_operation ["F"] writes "waive the rest of a grace period" => operations::finish_now;
    Undo "undo" on_operation ["U"] writes "take an unfinished rotation back" => operations::undo;
    CloseOperation "close" on_operation ["X"] writes "give up a paused operation as it is" => operations::close;
}

/// Every action, in the order in which help shows them: first those that show a screen.
pub fn all() -> impl Iterator<Item = &'static ActionInfo> {
    SCREENS.iter().map(|screen| &screen.shown).chain(ACTIONS)
}

impl Action {
    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        all().find(|info| info.name == name).map(|info| info.action)
    }
}

/// The actions that keys lead to now, with their keys, for the footer and the help.
pub fn available(model: &Model) -> Vec<(&'static ActionInfo, Vec<String>)> {
    let scope = model.scope();
    let here = |info: &&ActionInfo| info.scope == scope || (info.scope == Scope::Global && scope != Scope::Operation);
    let offered = all().filter(here).filter(|info| model.allows(info));
    // A key of the screen takes the place of a global one.
    let means = |key: &String| key.parse().ok().and_then(|press| model.keymap.resolve(scope, press));
    let keys = |info: &ActionInfo| {
        let mut keys = model.keymap.keys(info.action);
        keys.retain(|key| means(key) == Some(info.action));
        keys
    };
    offered.map(|info| (info, keys(info))).filter(|(_, keys)| !keys.is_empty()).collect()
}

/// What is selected now, found out once for all actions: which of them lead somewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Here {
    /// Whether there is a row, and it is of the screen's own kind: a server, a stack, a client, a link.
    row: bool,
    selected: bool,
    /// Whether what the screen's more particular actions need is selected: a running task, a client with a secret,
    /// a moment of a server, a way that is not being gone.
    particular: bool,
    found: bool,
    marked: bool,
    /// Whether something is under way that can be stopped: a deployment, or the update of the selected stack.
    under_way: bool,
    /// Whether the rollback of the selected stack has failed.
    stuck: bool,
    /// Whether the selected stack is a server's.
    of_server: bool,
    /// Whether a cause may be named on Fleet.
    unwell: bool,
    /// Whether there is a revision before the one that is compared with, and one to go back to.
    older: bool,
    newer: bool,
    /// Whether there is a load balancer whose zones can be taken out.
    zones: bool,
}

impl Here {
    pub fn of(model: &Model) -> Self {
        let logs = &model.screens.logs;
        let here = Self { found: logs.store.search().is_some(), marked: logs.store.marked() > 0, ..Self::default() };
        if model.screen == Screen::Fleet {
            let selected = fleet::selects(model);
            let task = fleet::opened(model).and_then(|_| fleet::selected_task(model));
            let particular = task.is_some_and(|task| !task.stopped());
            let under_way = selected && fleet::deploys(model);
            let zones = model.screens.fleet.shifts.get().is_some_and(Result::is_ok);
            let unwell = fleet::suspects(model);
            return Self { row: selected, selected, particular, under_way, unwell, zones, ..here };
        }
        let row = everywhere::any(model);
        let stack = (model.screen == Screen::Stack).then(|| stack::selected(model)).flatten();
        let under_way = stack.is_some_and(|stack| stack.status.cancellable());
        let stuck = stack.is_some_and(|stack| stack.status.rollback_failed());
        let of_server = model.screen == Screen::Stack && stack::selected_server(model).is_some();
        let (selected, particular) = match model.screen {
            Screen::Stack => {
                let stacks = model.screens.stack.remote.get();
                (row || stack.is_some(), stacks.is_none_or(|stacks| !stacks.is_empty()))
            }
            Screen::Clients => {
                let client = clients::selected(model);
                (client.is_some(), client.is_some_and(|client| !client.public()))
            }
            Screen::Users => (row, users::selected(model).is_some()),
            Screen::Timeline => {
                let moment = timeline::selected(model);
                let server = moment.and_then(|moment| timeline::server_of(model, moment));
                (moment.is_some(), server.is_some())
            }
            Screen::Doctor => (row, model.screens.doctor.going().is_none()),
            Screen::Fleet | Screen::Logs | Screen::Requests | Screen::Insights | Screen::Revisions => (row, row),
        };
        let (older, newer) = (revisions::before(model).is_some(), revisions::went_back(model));
        Self { row, selected, particular, under_way, stuck, of_server, older, newer, ..here }
    }

    /// Whether an action leads somewhere now: the footer names no other one.
    pub fn leads(self, action: Action) -> bool {
        use Action as A;
        match action {
            A::Open | A::Copy => self.row,
            A::ServerLogs | A::Describe | A::Raw | A::Events | A::Scale | A::Restart | A::Rollback => self.selected,
            A::StackDescribe | A::StackEvents | A::ClientDescribe => self.selected,
            A::TimelineDescribe | A::DoctorDescribe | A::UserDescribe => self.selected,
            A::SignOut | A::SwitchUser | A::QuarantineUser => self.particular,
            A::QuarantineClient | A::QuarantineCaller => self.selected,
            A::Show(Screen::Revisions) => self.selected,
            A::TimelineRevisions => self.particular,
            A::StackRevisions => self.of_server,
            A::StopTask | A::Destroy | A::Rotate | A::TimelineLogs | A::DoctorAgain => self.particular,
            A::StopDeployment | A::CancelUpdate => self.under_way,
            A::ToCause => self.unwell,
            A::ShiftZone => self.zones,
            A::RevisionOlder => self.older,
            A::RevisionNewer => self.newer,
            A::ContinueRollback => self.stuck,
            A::NextMatch | A::PreviousMatch => self.found,
            A::NextMark | A::PreviousMark => self.marked,
            _ => true,
        }
    }
}

/// The action that carries a remedy out.
impl From<Remedy> for Action {
    fn from(remedy: Remedy) -> Self {
        match remedy {
            Remedy::Logs => Self::ServerLogs,
            Remedy::Events => Self::Events,
            Remedy::Scale => Self::Scale,
            Remedy::Rollback => Self::Rollback,
            Remedy::Stop => Self::StopDeployment,
            Remedy::Deploy => Self::Deploy,
            Remedy::Stacks | Remedy::Continue => Self::Show(Screen::Stack),
            Remedy::Requests => Self::Show(Screen::Requests),
            Remedy::Doctor => Self::Show(Screen::Doctor),
            Remedy::Shift => Self::ShiftZone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_itself_and_by_its_name() {
        for info in all() {
            assert_eq!(info.action.info().name, info.name);
            assert_eq!(Action::named(info.name), Some(info.action));
        }
    }

    #[test]
    fn on_tables_only_writes_have_capital_letters() {
        for info in all().filter(|info| info.writes) {
            for key in info.keys {
                assert!(
                    key.len() == 1 && key.chars().all(|c| c.is_ascii_uppercase()),
                    "{} is bound to {key}",
                    info.name
                );
            }
        }
        for info in all().filter(|info| !info.writes) {
            for key in info.keys.iter().filter(|key| key.chars().all(|c| c.is_ascii_uppercase())) {
                // As in less and vi; these only move.
                assert!(matches!(*key, "G" | "N" | "E"), "{} reads, but is bound to {key}", info.name);
            }
        }
    }
}
