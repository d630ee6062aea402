//! The state of the console. The driver feeds it, the UI draws it.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::action::Scope;
use super::dialogs::Dialog;
use super::effect::Effect;
use super::input::Input;
use super::keymap::Keymap;
use super::msg::Notice;
use super::remote::{Generation, Remote};
use super::screens::{clients, fleet, insights, logs, requests, stack};
use crate::core::identity::Context;
use crate::core::operation::{Operation, Phase};

/// One of the screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Servers and their health.
    Fleet,
    /// Log lines.
    Logs,
    /// CloudFormation stacks.
    Stack,
    /// Cognito app clients.
    Clients,
    /// Requests per tool and client.
    Requests,
    /// Results of a Logs Insights query. Reached from the log, so it has no tab.
    Insights,
}

impl Screen {
    /// Those with a tab, in the order of their keys.
    pub const ALL: [Self; 5] = [Self::Fleet, Self::Logs, Self::Stack, Self::Clients, Self::Requests];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Logs => "Logs",
            Self::Stack => "Stack",
            Self::Clients => "Clients",
            Self::Requests => "Requests",
            Self::Insights => "Insights",
        }
    }

    /// The scope of its keys.
    pub fn scope(self) -> Scope {
        match self {
            Self::Fleet => Scope::Fleet,
            Self::Logs => Scope::Logs,
            Self::Stack => Scope::Stack,
            Self::Clients => Scope::Clients,
            Self::Requests => Scope::Requests,
            Self::Insights => Scope::Insights,
        }
    }
}

/// What a line typed at the bottom of the screen is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Filters the table, or searches the log, while it is typed.
    Filter,
    /// Adds a keep filter to the log.
    Keep,
    /// Adds a hide filter to the log.
    Hide,
    /// Goes to a time in the log.
    Jump,
    /// A Logs Insights query.
    Insights,
}

/// A line being typed at the bottom of the screen.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// What it is for.
    pub entry: Entry,
    /// The line.
    pub input: Input,
    /// Why it was not taken.
    pub error: Option<String>,
}

impl Prompt {
    /// A prompt with this text in it.
    pub fn new(entry: Entry, text: impl Into<String>) -> Self {
        Self { entry, input: Input::new(text), error: None }
    }
}

/// A short message that goes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What it says.
    pub notice: Notice,
    /// When it goes.
    pub until: Timestamp,
}

/// The state of the console.
#[derive(Debug, Clone)]
pub struct Model {
    /// The time, as the last tick told it.
    pub now: Timestamp,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Where and as whom it acts.
    pub context: Context,
    /// The caller, from STS.
    pub identity: Remote<crate::core::identity::Identity>,
    /// Which key means what.
    pub keymap: Keymap,
    /// The screen shown.
    pub screen: Screen,
    /// Fleet.
    pub fleet: fleet::State,
    /// Logs.
    pub logs: logs::State,
    /// Stack.
    pub stack: stack::State,
    /// Clients.
    pub clients: clients::State,
    /// Requests.
    pub requests: requests::State,
    /// Insights.
    pub insights: insights::State,
    /// Dialogs, the topmost last.
    pub dialogs: Vec<Dialog>,
    /// A line being typed.
    pub prompt: Option<Prompt>,
    /// Messages, oldest first.
    pub toasts: VecDeque<Toast>,
    /// Operations of this session and unfinished ones of earlier ones, oldest first.
    pub operations: Vec<Operation>,
    /// Generation of the plan that is awaited.
    pub planning: Generation,
    /// AWS calls made so far.
    pub calls: u64,
    /// Set when the console is to end.
    pub quitting: bool,
}

/// How long a toast stays.
const TOAST: SignedDuration = SignedDuration::from_secs(6);

impl Model {
    /// A console that has just begun.
    pub fn new(context: Context, keymap: Keymap, now: Timestamp, size: (u16, u16)) -> Self {
        Self {
            now,
            size,
            context,
            identity: Remote::default(),
            keymap,
            screen: Screen::Fleet,
            fleet: fleet::State::default(),
            logs: logs::State::default(),
            stack: stack::State::default(),
            clients: clients::State::default(),
            requests: requests::State::default(),
            insights: insights::State::default(),
            dialogs: Vec::new(),
            prompt: None,
            toasts: VecDeque::new(),
            operations: Vec::new(),
            planning: 0,
            calls: 0,
            quitting: false,
        }
    }

    /// The scope of the keys that hold now.
    pub fn scope(&self) -> Scope {
        match self.dialogs.last() {
            Some(Dialog::Operation { .. }) => Scope::Operation,
            _ => self.screen.scope(),
        }
    }

    /// Rows of a table that fit on the screen, for paging.
    pub fn page(&self) -> isize {
        isize::from(i16::try_from(self.size.1.saturating_sub(8).max(1)).unwrap_or(1))
    }

    /// Tells the operator something.
    pub fn notify(&mut self, notice: Notice) {
        let until = self.now.checked_add(TOAST).unwrap_or(self.now);
        self.toasts.push_back(Toast { notice, until });
        while self.toasts.len() > 4 {
            self.toasts.pop_front();
        }
    }

    /// Tells the operator that something is not possible.
    pub fn refuse(&mut self, why: impl Into<String>) -> Vec<Effect> {
        self.notify(Notice::Bad(why.into()));
        Vec::new()
    }

    /// The operation of this id.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id() == id)
    }

    /// Whether an operation is under way, so that screens read more often.
    pub fn busy(&self) -> bool {
        self.operations.iter().any(Operation::active)
    }

    /// Operations that wait for the operator.
    pub fn paused(&self) -> usize {
        self.operations.iter().filter(|operation| matches!(operation.phase, Phase::Paused { .. })).count()
    }
}
