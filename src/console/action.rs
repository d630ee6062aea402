//! The one table of what the operator can do: help, footer, palette, key docs and key bindings
//! are all printed from it.

use crate::core::health::Remedy;

/// Where an action is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// The Fleet screen.
    Fleet,
    /// The Logs screen.
    Logs,
    /// The Stack screen.
    Stack,
    /// The Clients screen.
    Clients,
    /// The Requests screen.
    Requests,
    /// The results of a Logs Insights query.
    Insights,
    /// A dialog that shows an operation.
    Operation,
}

macro_rules! actions {
    ($($variant:ident $name:literal $scope:ident [$($key:literal),*] $writes:literal $doc:literal;)*) => {
        /// Something the operator can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action { $(#[doc = $doc] $variant,)* }

        /// Every action, in the order in which help shows them.
        pub const ACTIONS: &[ActionInfo] = &[
            $(ActionInfo {
                action: Action::$variant, name: $name, scope: Scope::$scope, keys: &[$($key),*],
                writes: $writes, doc: $doc,
            },)*
        ];
    };
}

/// A row of the action table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionInfo {
    /// The action.
    pub action: Action,
    /// Its name in the config file and the palette.
    pub name: &'static str,
    /// Where it is available.
    pub scope: Scope,
    /// Default keys.
    pub keys: &'static [&'static str],
    /// Whether it leads to a write. The keys of such actions are capital letters.
    pub writes: bool,
    /// One line for help.
    pub doc: &'static str,
}

actions! {
    Fleet "fleet" Global ["1"] false "servers and their health";
    Logs "logs-screen" Global ["2"] false "log lines of one or more servers";
    Stack "stack" Global ["3"] false "CloudFormation stacks, resources, events";
    Clients "clients" Global ["4"] false "Cognito app clients";
    Requests "requests" Global ["m"] false "requests, errors and latency per tool and client";
    Down "down" Global ["j", "down"] false "next row";
    Up "up" Global ["k", "up"] false "previous row";
    Top "top" Global ["g", "home"] false "first row";
    Bottom "bottom" Global ["G", "end"] false "last row";
    HalfDown "half-down" Global ["ctrl-d"] false "half a page down";
    HalfUp "half-up" Global ["ctrl-u"] false "half a page up";
    PageDown "page-down" Global ["ctrl-f", "pagedown"] false "a page down";
    PageUp "page-up" Global ["ctrl-b", "pageup"] false "a page up";
    Open "open" Global ["enter"] false "open the selected row";
    Back "back" Global ["esc"] false "back, or close";
    Quit "quit" Global ["q"] false "back; quits at the root";
    QuitNow "quit-now" Global ["ctrl-c"] false "quit";
    Palette "palette" Global [":"] false "find a screen, an action or a server by name";
    Filter "filter" Global ["/"] false "filter rows; !x hides, field:value picks a column";
    Help "help" Global ["?"] false "keys of this screen";
    Refresh "refresh" Global ["r"] false "read everything again now";
    Operations "operations" Global ["o"] false "operations under way, paused and done";
    Copy "copy" Global ["c"] false "copy the selection's ARN or text (OSC 52)";
    SortNext "sort-next" Global ["f1"] false "sort by the next column";
    SortReverse "sort-reverse" Global ["f2"] false "reverse the sort order";

    ServerLogs "logs" Fleet ["l"] false "logs of the selected server";
    Describe "describe" Fleet ["d"] false "everything known of the selection";
    Raw "raw" Fleet ["y"] false "the selection as JSON";
    Events "events" Fleet ["e"] false "service events of the selected server";
    FaultsOnly "faults-only" Fleet ["z"] false "show only what is not well";
    Scale "scale" Fleet ["S"] true "set the desired count or the autoscaling bounds";
    Restart "restart" Fleet ["T"] true "start a new deployment with the same task definition";
    Rollback "rollback" Fleet ["B"] true "go back to the previous task definition";
    StopTask "stop-task" Fleet ["X"] true "stop the selected task; its service replaces it";

    Pause "pause" Logs ["space"] false "pause, or follow again";
    Search "search" Logs [] false "search (same as filter: /)";
    NextMatch "next-match" Logs ["n"] false "next match";
    PreviousMatch "previous-match" Logs ["N"] false "previous match";
    Keep "keep" Logs ["&"] false "keep lines: a word, a regex, \"text\", tool=now ms>500 level>=warn";
    Hide "hide" Logs ["!"] false "hide lines, by the same expressions";
    NextError "next-error" Logs ["e"] false "next error or warning";
    PreviousError "previous-error" Logs ["E"] false "previous error or warning";
    Older "older" Logs ["["] false "read an older window; so does going up from the first line";
    Newer "newer" Logs ["]"] false "read a newer window, up to the present";
    JumpTime "jump" Logs ["@"] false "go to a time: 03:15, 15m ago, RFC 3339";
    TimeMode "time" Logs ["t"] false "time: local, UTC, relative, off";
    Wrap "wrap" Logs ["w"] false "wrap long lines";
    Histogram "histogram" Logs ["h"] false "volume and errors over the time that is kept";
    Mark "mark" Logs ["v"] false "mark the selected line, or take its mark";
    NextMark "next-mark" Logs [">"] false "next marked line";
    PreviousMark "previous-mark" Logs ["<"] false "previous marked line";
    LogDetail "parsed" Logs ["p"] false "the selected line as fields";
    LogFields "fields" Logs ["f"] false "choose the fields of JSON lines that are shown";
    Sources "sources" Logs ["s"] false "choose servers and tasks";
    Insights "insights" Logs ["i"] false "a Logs Insights query over these log groups";
    LogSave "save" Logs ["ctrl-s"] false "save lines to a file, as text or NDJSON";

    StackDescribe "stack-describe" Stack ["d"] false "parameters and outputs of the selected stack";
    StackEvents "stack-events" Stack ["e"] false "events of the selected stack";
    Deploy "deploy" Stack ["D"] true "plan a deploy of the environment, then apply it";
    Destroy "destroy" Stack ["K"] true "delete the whole environment (typed name)";

    ClientDescribe "client-describe" Clients ["d"] false "everything known of the selected client";
    Rotate "rotate" Clients ["O"] true "rotate the selected client's secret";

    Window "window" Requests ["w"] false "figures over 1, 5 or 15 minutes";
    GroupBy "group" Requests ["b"] false "a row per tool, per client, or per both";

    Query "query" Insights ["i"] false "change the query and run it";

    Resume "resume" Operation ["R"] true "go on with a paused operation";
    FinishNow "finish-now" Operation ["F"] true "waive the rest of a grace period";
    Undo "undo" Operation ["U"] true "take an unfinished rotation back";
}

impl Action {
    /// Its row in the table.
    pub fn info(self) -> &'static ActionInfo {
        // The table is generated from the same list as the enum, in the same order.
        &ACTIONS[self as usize]
    }

    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        ACTIONS.iter().find(|info| info.name == name).map(|info| info.action)
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_indexed_by_the_enum() {
        for info in ACTIONS {
            assert_eq!(info.action.info(), info);
            assert_eq!(Action::named(info.name), Some(info.action));
        }
    }

    #[test]
    fn a_write_is_a_capital_letter_and_nothing_else_on_a_table_is() {
        for info in ACTIONS.iter().filter(|info| info.writes) {
            for key in info.keys {
                assert!(
                    key.len() == 1 && key.chars().all(|c| c.is_ascii_uppercase()),
                    "{} is bound to {key}",
                    info.name
                );
            }
        }
        for info in ACTIONS.iter().filter(|info| !info.writes) {
            for key in info.keys.iter().filter(|key| key.chars().all(|c| c.is_ascii_uppercase())) {
                // Movement and search habits of less and vi; they only move.
                assert!(matches!(*key, "G" | "N" | "E"), "{} reads, but is bound to {key}", info.name);
            }
        }
    }
}
