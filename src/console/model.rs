//! The state of the console. The driver feeds it, the UI draws it.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::action::{ActionInfo, Scope};
use super::dialogs::Dialog;
use super::dialogs::choose::Choice;
use super::effect::Effect;
use super::input::Input;
use super::keymap::Keymap;
use super::mouse::{Click, Hits};
use super::msg::Notice;
use super::place;
use super::remote::{Generation, Remote};
use super::screens::{Screen, States};
use crate::core::identity::Context;
use crate::core::operation::{Operation, Phase};
use crate::core::pace::Usage;

/// What a line typed at the bottom of the screen is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
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
    pub kind: PromptKind,
    pub input: Input,
    /// Why it was not taken.
    pub error: Option<String>,
}

impl Prompt {
    /// A prompt with this text in it.
    pub fn new(kind: PromptKind, text: impl Into<String>) -> Self {
        Self { kind, input: Input::new(text), error: None }
    }
}

/// A short message that goes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What it says.
    pub notice: Notice,
    /// When it was said.
    pub since: Timestamp,
    /// When it goes.
    pub until: Timestamp,
    /// Whether it answers what the operator did: then it goes when they do something else.
    pub answers: bool,
}

/// What the last frame had room for. The driver stores it after each frame, so that paging and
/// scrolling use what was really drawn instead of guessing the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewport {
    /// Rows of a page of what is on top: a table, the log or a dialog.
    pub rows: usize,
    /// How far the dialog on top scrolls.
    pub last: usize,
}

impl Default for Viewport {
    /// Before the first frame.
    fn default() -> Self {
        Self { rows: 16, last: usize::MAX }
    }
}

/// The smallest terminal that the console can be used in: columns, rows.
pub const SMALLEST: (u16, u16) = (40, 10);

/// Whether nothing of the console can be shown in a terminal of this size.
pub fn too_small(size: (u16, u16)) -> bool {
    size.0 < SMALLEST.0 || size.1 < SMALLEST.1
}

/// The whole state of the console: there is no other, neither in the driver nor in the UI.
///
/// Only [`update`](super::update::update) changes it, by a message; the driver adds no more than the
/// [`Viewport`] and the [`Hits`] of each frame, and the UI changes nothing. It is plain data, so a test makes one, sends messages and looks. What belongs to one
/// screen goes into that screen's state; only what all share is here.
#[derive(Debug, Clone)]
pub struct Model {
    /// The time, as the last tick told it.
    pub now: Timestamp,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// What the last frame had room for.
    pub viewport: Viewport,
    /// Where the last frame has what can be clicked on, and the last click.
    pub hits: Hits,
    pub clicked: Option<Click>,
    /// Whether the button is held down since a click on a chart.
    pub dragging: bool,
    /// Where and as whom the console acts.
    pub context: Context,
    /// Which place that is, and where else there is to go.
    pub place: place::State,
    /// The name of the theme, and those that can be chosen.
    pub theme: String,
    pub themes: Vec<String>,
    /// The caller, from STS.
    pub identity: Remote<crate::core::identity::Identity>,
    /// The version of this program, which the header tells; `None` tells none.
    pub version: Option<&'static str>,
    /// Which key means what.
    pub keymap: Keymap,
    /// The screen shown.
    pub screen: Screen,
    /// The state of every screen.
    pub screens: States,
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
    /// How the budget of each API is used, with its name.
    pub usage: Vec<(&'static str, Usage)>,
    /// How long AWS takes to answer.
    pub latency: Option<Duration>,
    /// How far AWS's clock is ahead of this machine's, in milliseconds.
    pub ahead: i64,
    /// Set when the console is to end.
    pub quitting: bool,
}

/// How long a toast stays.
const TOAST: SignedDuration = SignedDuration::from_secs(6);
/// How long one is shown at least that answers a key, also to whoever holds a key.
const READ: SignedDuration = SignedDuration::from_secs(1);

impl Model {
    /// A console that has just begun. Where it is not chosen yet which cluster is worked on, it offers them.
    pub fn new(context: Context, keymap: Keymap, now: Timestamp, size: (u16, u16)) -> Self {
        let choose = Dialog::Choose { choice: Choice::Cluster, input: Input::default(), selected: 0 };
        let dialogs = if context.chosen() { Vec::new() } else { vec![choose] };
        Self {
            now,
            size,
            viewport: Viewport::default(),
            hits: Hits::default(),
            clicked: None,
            dragging: false,
            context,
            place: place::State::default(),
            theme: String::new(),
            themes: Vec::new(),
            identity: Remote::default(),
            version: None,
            keymap,
            screen: Screen::Fleet,
            screens: States::default(),
            dialogs,
            prompt: None,
            toasts: VecDeque::new(),
            operations: Vec::new(),
            planning: 0,
            calls: 0,
            usage: Vec::new(),
            latency: None,
            ahead: 0,
            quitting: false,
        }
    }

    /// The scope of the keys that are valid now.
    pub fn scope(&self) -> Scope {
        match self.dialogs.last() {
            Some(Dialog::Operation { .. }) => Scope::Operation,
            _ => Scope::Screen(self.screen),
        }
    }

    /// Rows that a page has.
    pub fn page(&self) -> isize {
        isize::try_from(self.viewport.rows.max(1)).unwrap_or(isize::MAX)
    }

    /// Opens a dialog.
    pub fn open(&mut self, dialog: Dialog) -> Vec<Effect> {
        self.dialogs.push(dialog);
        // How far it scrolls is known once it has been drawn.
        self.viewport.last = usize::MAX;
        Vec::new()
    }

    /// Shows a screen.
    pub fn show(&mut self, screen: Screen) -> Vec<Effect> {
        self.screen = screen;
        self.prompt = None;
        Vec::new()
    }

    /// Tells the operator something. What is said again is shown once.
    pub fn notify(&mut self, notice: Notice) {
        self.toasts.retain(|toast| toast.notice != notice);
        let until = self.now.checked_add(TOAST).unwrap_or(self.now);
        self.toasts.push_back(Toast { notice, since: self.now, until, answers: false });
        while self.toasts.len() > 4 {
            self.toasts.pop_front();
        }
    }

    /// Carries out what the operator does. What was answered to what they did before is over then.
    pub fn answering(&mut self, act: impl FnOnce(&mut Self) -> Vec<Effect>) -> Vec<Effect> {
        let now = self.now;
        self.toasts.retain(|toast| !toast.answers || now.duration_since(toast.since) < READ);
        let before = std::mem::take(&mut self.toasts);
        let effects = act(self);
        let said = std::mem::replace(&mut self.toasts, before);
        for toast in said {
            self.notify(toast.notice);
            self.toasts.back_mut().into_iter().for_each(|last| last.answers = true);
        }
        effects
    }

    /// Whether an action may do what it is for. What may not is offered nowhere, and says why when its key is pressed.
    pub fn allows(&self, info: &ActionInfo) -> bool {
        !(info.writes && self.context.read_only)
    }

    /// Shows a message that something is not possible.
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
