//! The console's loop. Input comes first, drawing second, and data third, for a limited time.

use std::io::stdout;
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::EventStream;
use futures::StreamExt;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};

use super::executor::Executor;
use super::session::Session;
use super::terminal::Tty;
use super::{input, operate};
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

/// Runs the console until the operator leaves it. `fields` names the fields of JSON log lines that are
/// shown first; if it is empty, the screen chooses.
///
/// # Errors
/// When the terminal cannot be taken or drawn on.
pub async fn console(session: Session, keymap: Keymap, theme: Theme, fields: &[String]) -> std::io::Result<()> {
    let (out, inbox) = mpsc::channel(256);
    let mut tty = Tty::enter()?;
    let size = tty.terminal.size()?;
    let mut model = Model::new(session.context.clone(), keymap, Timestamp::now(), (size.width, size.height));
    model.screens.logs.zone = theme.zone().clone();
    if !fields.is_empty() {
        model.screens.logs.fields = fields.to_vec();
    }
    let unfinished = session.audit.unfinished(&session.context);
    let first = match unfinished {
        Ok(operations) => Msg::Unfinished(operations),
        Err(error) => Msg::Notice(Notice::Bad(format!("the audit cannot be read: {error}"))),
    };
    let mut console = Console {
        executor: Executor::new(session.clone(), out),
        session,
        model,
        inbox,
        theme,
        dirty: true,
        drawn: None,
    };
    console.take(first);
    console.run(&mut tty).await
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
    async fn run(&mut self, tty: &mut Tty) -> std::io::Result<()> {
        let mut keys = EventStream::new();
        let mut tick = interval(Duration::from_secs(1));
        let mut ended = signal(SignalKind::terminate())?;
        let mut hung_up = signal(SignalKind::hangup())?;
        while !self.model.quitting {
            let deadline = self.drawn.map_or_else(Instant::now, |at| at + FRAME);
            tokio::select! {
                biased;
                event = keys.next() => match event {
                    Some(event) => input::message(event?).into_iter().for_each(|msg| self.take(msg)),
                    // The terminal has closed, so nobody is there any more.
                    None => break,
                },
                _ = ended.recv() => break,
                _ = hung_up.recv() => break,
                () = sleep_until(deadline), if self.dirty => self.draw(tty)?,
                Some(msg) = self.inbox.recv() => self.take_data(msg),
                _ = tick.tick() => self.take(Msg::Tick(Timestamp::now())),
                // Only when nothing else is to be done.
                () = tokio::task::yield_now(), if self.model.screens.logs.working() => self.take(Msg::Work),
            }
        }
        self.leave().await;
        Ok(())
    }

    fn draw(&mut self, tty: &mut Tty) -> std::io::Result<()> {
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

    /// Leaves running operations where they are, and waits until the audit has that on disk.
    async fn leave(&mut self) {
        let now = Timestamp::now();
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
    }
}
