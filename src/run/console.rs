//! The console's loop. Input comes first, drawing second, and data third, for a limited time.

use std::io::stdout;
use std::sync::Arc;
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};

use super::audit::Audit;
use super::executor::Executor;
use super::headless::Exit;
use super::input::{Input, events, input};
use super::operate;
use super::session::Session;
use super::signals::{Asked, Signals};
use super::terminal::{self, Stop, Tty};
use crate::cloud::Outside;
use crate::console::effect::Effect;
use crate::console::keymap::Keymap;
use crate::console::model::Model;
use crate::console::msg::{Msg, Notice};
use crate::console::update::update;
use crate::core::operation::{self, Event};
use crate::core::text::cut;
use crate::ui;
use crate::ui::theme::Theme;

/// Shortest time between two frames.
const FRAME: Duration = Duration::from_millis(10);
/// How long data may make input and drawing wait.
const DATA_BUDGET: Duration = Duration::from_millis(8);

/// How the console was closed.
#[derive(Debug)]
pub struct Closed {
    /// The exit code; an error if the terminal could not be read or drawn on.
    pub exit: std::io::Result<Exit>,
    /// The operations that were under way.
    pub left: Vec<Left>,
}

/// An operation that was under way when the console was closed, and can be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its id.
    pub id: String,
    /// Its title, such as `restart time`.
    pub title: String,
}

/// Runs the console until the operator or a signal ends it. `outside` asks the servers' public addresses. `fields` names the fields of JSON log lines that are
/// shown first; if it is empty, the screen chooses.
///
/// # Errors
/// When the terminal cannot be taken.
pub async fn console(
    session: Session,
    outside: Arc<dyn Outside>,
    keymap: Keymap,
    theme: Theme,
    fields: &[String],
) -> std::io::Result<Closed> {
    let (out, inbox) = mpsc::channel(256);
    // Before the terminal is taken, or a signal in between would end the program without giving it back.
    let mut signals = Signals::catch()?;
    let mut tty = Tty::enter()?;
    let size = tty.terminal.size()?;
    let mut model = Model::new(session.context.clone(), keymap, Timestamp::now(), (size.width, size.height));
    model.version = Some(env!("CARGO_PKG_VERSION"));
    model.screens.logs.zone = theme.zone().clone();
    if !fields.is_empty() {
        model.screens.logs.fields = fields.to_vec();
    }
    let told = warnings(&session.audit);
    let unfinished = session.audit.unfinished(&session.context);
    let first = match unfinished {
        Ok(operations) => Msg::Unfinished(operations),
        Err(error) => Msg::Notice(Notice::Bad(format!("the audit cannot be read: {error}"))),
    };
    let mut console = Console {
        executor: Executor::new(session.clone(), outside, out),
        session,
        model,
        inbox,
        theme,
        dirty: true,
        drawn: None,
    };
    for warning in told {
        console.take(Msg::Notice(Notice::Bad(warning)));
    }
    console.take(first);
    let exit = console.run(&mut tty, &mut signals).await;
    // At once, because the last records may have to wait for a slow disk.
    drop(tty);
    Ok(Closed { exit, left: console.leave().await })
}

/// What must be told of the audit when the console starts. That it cannot be read at all is told with
/// the unfinished operations.
fn warnings(audit: &Audit) -> Vec<String> {
    let trouble = audit.read().ok().and_then(|contents| contents.trouble());
    let unread = trouble.map(|trouble| format!("the audit {}: {trouble}", audit.path().display()));
    audit.warnings().into_iter().chain(unread).collect()
}

struct Console {
    session: Session,
    executor: Executor,
    model: Model,
    inbox: mpsc::Receiver<Msg>,
    theme: Theme,
    dirty: bool,
    drawn: Option<Instant>,
}

impl Console {
    async fn run(&mut self, tty: &mut Tty, signals: &mut Signals) -> std::io::Result<Exit> {
        let mut keys = events()?;
        let mut tick = interval(Duration::from_secs(1));
        let panicked = tty.panicked.clone();
        while !self.model.quitting {
            let deadline = self.drawn.map_or_else(Instant::now, |at| at + FRAME);
            tokio::select! {
                biased;
                () = panicked.notified() => return Ok(Exit::Failed),
                asked = signals.next() => match asked {
                    Asked::End(exit) => return Ok(exit),
                    Asked::Stop => {
                        if let Some(exit) = self.suspend(tty, signals, Stop::Process).await? {
                            return Ok(exit);
                        }
                    }
                    // After a SIGSTOP, which nobody can catch, the shell has had the terminal.
                    Asked::Continued if terminal::in_foreground() => self.retake(tty)?,
                    Asked::Continued => {
                        if let Some(exit) = self.suspend(tty, signals, Stop::Process).await? {
                            return Ok(exit);
                        }
                    }
                },
                event = keys.recv() => match event {
                    Some(event) => match input(event) {
                        Some(Input::Msg(msg)) => self.take(msg),
                        Some(Input::Suspend) => {
                            if let Some(exit) = self.suspend(tty, signals, Stop::Job).await? {
                                return Ok(exit);
                            }
                        }
                        None => {}
                    },
                    // The terminal has closed, so nobody is there any more.
                    None => return Ok(Exit::HungUp),
                },
                () = sleep_until(deadline), if self.dirty => self.draw(tty)?,
                Some(msg) = self.inbox.recv() => self.take_data(msg),
                _ = tick.tick() => self.take(Msg::Tick(Timestamp::now())),
                // Only when nothing else is to be done.
                () = tokio::task::yield_now(), if self.model.screens.logs.working() => self.take(Msg::Work),
            }
        }
        Ok(Exit::Done)
    }

    /// Gives the terminal back and stops, until the shell continues the program. Operations stay as they
    /// are: their calls go on in the cloud, and are looked at again afterwards. Returns the exit code
    /// if a signal ends the program meanwhile.
    async fn suspend(&mut self, tty: &mut Tty, signals: &mut Signals, whom: Stop) -> std::io::Result<Option<Exit>> {
        if !terminal::can_stop() {
            self.model.notify(Notice::Bad("not suspended: there is no shell here that could continue it".into()));
            self.dirty = true;
            return Ok(None);
        }
        tty.give_back();
        terminal::stop(whom)?;
        // The stop may come a little later than the call returns.
        loop {
            match signals.next().await {
                Asked::End(exit) => return Ok(Some(exit)),
                Asked::Continued if terminal::in_foreground() => break,
                // In the background, the modes of the terminal are the shell's: they are not to be changed, nor
                // to be taken for those to give back.
                Asked::Continued | Asked::Stop => terminal::stop(Stop::Process)?,
            }
        }
        self.retake(tty)?;
        Ok(None)
    }

    /// Takes the terminal again, and draws at once.
    fn retake(&mut self, tty: &mut Tty) -> std::io::Result<()> {
        tty.take()?;
        let size = tty.terminal.size()?;
        self.take(Msg::Resize(size.width, size.height));
        self.draw(tty)
    }

    fn draw(&mut self, tty: &mut Tty) -> std::io::Result<()> {
        if !tty.taken() {
            return Ok(());
        }
        let (model, theme, mut viewport) = (&self.model, &self.theme, self.model.viewport);
        tty.terminal.draw(|frame| viewport = ui::draw(model, theme, frame))?;
        self.model.viewport = viewport;
        self.dirty = false;
        self.drawn = Some(Instant::now());
        Ok(())
    }

    fn take(&mut self, msg: Msg) {
        self.model.now = Timestamp::now();
        for effect in update(&mut self.model, msg) {
            self.execute(effect);
        }
        self.dirty = true;
    }

    /// Takes the data that has come, for as long as the budget allows: much data must not delay a key.
    fn take_data(&mut self, first: Msg) {
        let until = Instant::now() + DATA_BUDGET;
        let mut next = Some(first);
        while let Some(msg) = next {
            self.take(msg);
            next = if Instant::now() < until { self.inbox.try_recv().ok() } else { None };
        }
        // Nor must it stop the work on a filter.
        if self.model.screens.logs.working() {
            self.take(Msg::Work);
        }
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Copy(text) => {
                let copied = crossterm::execute!(stdout(), CopyToClipboard::to_clipboard_from(&text));
                self.model.notify(match copied {
                    Ok(()) => Notice::Good(format!("copied {} to the clipboard", cut(&text, 40))),
                    Err(error) => Notice::Bad(format!("not copied: {error}")),
                });
            }
            Effect::Quit => self.model.quitting = true,
            other => self.executor.execute(other),
        }
    }

    /// Leaves running operations where they are, and waits until the audit has that on disk. Returns
    /// those that were under way.
    async fn leave(&mut self) -> Vec<Left> {
        let now = Timestamp::now();
        let under_way = self.model.operations.iter().filter(|operation| operation.active());
        let left = under_way.map(|operation| Left { id: operation.id().into(), title: operation.plan.title.clone() });
        let left = left.collect();
        for operation in &mut self.model.operations {
            let leave = Event::Leave("the console was closed".into());
            let drafts = operation.plan.drafts.clone();
            for effect in operation.handle(leave, now) {
                match effect {
                    operation::Order::Discard => operate::discard(&self.session, &drafts).await,
                    record => drop(operate::perform(self.session.clone(), record).await),
                }
            }
        }
        self.executor.leave().await;
        left
    }
}
