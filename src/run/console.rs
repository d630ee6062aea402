//! The console's loop. Input comes first, drawing second, and data third, for a limited time.

use std::collections::BTreeMap;
use std::io::stdout;
use std::sync::Arc;
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};

use super::audit::Audit;
use super::executor::{Executor, Outbox};
use super::headless::Exit;
use super::input::{Input, Keys, events, input};
use super::places::Places;
use super::session::Session;
use super::signals::{Asked, Signals};
use super::terminal::{self, Stop, Tty};
use super::{browser, operate};
use crate::cloud::{ErrorKind, Outside};
use crate::console::beside::stand;
use crate::console::effect::Effect;
use crate::console::keymap::Keymap;
use crate::console::model::Model;
use crate::console::msg::{Msg, Notice};
use crate::console::place::{Arrival, PlaceId, Renewed};
use crate::console::update::update;
use crate::core::destination::Destination;
use crate::core::error::{PlanError, Refusal};
use crate::core::operation::{self, Event, Operation, Phase};
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

/// What the console begins with.
pub struct Opening {
    /// The place where it begins. Without a cluster in its context it offers those that are there.
    pub session: Session,
    /// Asks the servers' public addresses.
    pub outside: Arc<dyn Outside>,
    /// The places whose servers stand in Fleet beside those of the first one.
    pub beside: Vec<Destination>,
    /// What leads to other places.
    pub places: Arc<dyn Places>,
    /// Which key means what.
    pub keymap: Keymap,
    /// The themes that can be chosen; the first one is in force. At least one is needed, else the plain one is.
    pub themes: Vec<Theme>,
    /// Whether clicks, drags and the wheel are taken. Else the terminal has them, to select text.
    pub mouse: bool,
    /// The fields of JSON log lines that are shown first; if there is none, the screen chooses.
    pub fields: Vec<String>,
}

/// Runs the console until the operator or a signal ends it.
///
/// # Errors
/// When the terminal cannot be taken.
pub async fn console(opening: Opening) -> std::io::Result<Closed> {
    let Opening { session, outside, beside, places, keymap, themes, mouse, fields } = opening;
    let ((out, inbox), (arrive, arrivals)) = (mpsc::channel(256), mpsc::channel(4));
    // Before the terminal is taken, or a signal in between would end the program without giving it back.
    let mut signals = Signals::catch()?;
    let mut tty = Tty::enter(mouse)?;
    let size = tty.terminal.size()?;
    let mut model = Model::new(session.context.clone(), keymap, Timestamp::now(), (size.width, size.height));
    model.version = Some(env!("CARGO_PKG_VERSION"));
    model.themes = themes.iter().map(|theme| theme.name().to_owned()).collect();
    model.theme = model.themes.first().cloned().unwrap_or_default();
    model.screens.logs.zone = themes.first().map_or(TimeZone::UTC, |theme| theme.zone().clone());
    if !fields.is_empty() {
        model.screens.logs.fields = fields;
    }
    stand(&mut model, beside);
    let told = warnings(&session.audit);
    let unfinished = session.audit.unfinished(&session.context);
    let first = match unfinished {
        Ok(operations) => Msg::Unfinished(operations),
        Err(error) => Msg::Notice(Notice::Bad(format!("the audit cannot be read: {error}"))),
    };
    let outbox = Outbox::new(model.place.shown(), out.clone());
    let mut console = Console {
        executor: Executor::new(session, outside.clone(), places.clone(), outbox),
        others: BTreeMap::new(),
        outside,
        places,
        model,
        out,
        inbox,
        arrive,
        arrivals,
        themes,
        dirty: true,
        drawn: None,
        signs_in: None,
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

/// What came of a program that had the terminal.
enum Ran {
    /// It has ended: well, or how.
    Ended(Result<(), String>),
    /// A signal ends the console.
    Signal(Exit),
}

/// A failure as the console tells it.
fn refusal(error: PlanError) -> Refusal {
    match error {
        PlanError::Refused(refusal) => refusal,
        PlanError::Cloud(error) => error.into(),
        PlanError::Already(how) => Refusal::new(ErrorKind::Conflict, how),
    }
}

/// Somewhere that was reached, or why it was not.
enum Reached {
    /// A place, with what earlier runs left unfinished there.
    Place(PlaceId, Result<(Session, Vec<Operation>), Refusal>),
    /// A place whose servers stand in Fleet, too.
    Beside(PlaceId, Result<Session, Refusal>),
    /// The place that is shown, with new credentials, and the account that they are of.
    Again(PlaceId, Result<(Session, String), String>),
}

struct Console {
    /// Executes what is to be done in the place that is shown.
    executor: Executor,
    /// Those of places that were left, in which operations go on, and of those that stand in Fleet, too.
    others: BTreeMap<PlaceId, Executor>,
    outside: Arc<dyn Outside>,
    places: Arc<dyn Places>,
    model: Model,
    out: mpsc::Sender<Msg>,
    inbox: mpsc::Receiver<Msg>,
    arrive: mpsc::Sender<Reached>,
    arrivals: mpsc::Receiver<Reached>,
    themes: Vec<Theme>,
    dirty: bool,
    drawn: Option<Instant>,
    /// The program by which somebody is to sign in.
    signs_in: Option<Vec<String>>,
}

impl Console {
    async fn run(&mut self, tty: &mut Tty, signals: &mut Signals) -> std::io::Result<Exit> {
        let mut keys = events()?;
        let mut tick = interval(Duration::from_secs(1));
        let panicked = tty.panicked.clone();
        while !self.model.quitting {
            if let Some(command) = self.signs_in.take()
                && let Some(exit) = self.sign_in(tty, signals, &mut keys, &command).await?
            {
                return Ok(exit);
            }
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
                Some(reached) = self.arrivals.recv() => self.reached(reached),
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
        let (model, mut viewport) = (&self.model, self.model.viewport);
        let plain = Theme::plain(TimeZone::UTC);
        let chosen = self.themes.iter().find(|theme| theme.name() == model.theme);
        let theme = chosen.or(self.themes.first()).unwrap_or(&plain);
        let drawn = tty.terminal.draw(|frame| viewport = ui::draw(model, theme, frame))?;
        let hits = ui::hits(model, theme, drawn.buffer);
        (self.model.viewport, self.model.hits) = (viewport, hits);
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
            Effect::Enter(place, destination) => self.enter(place, destination),
            Effect::Join(place, destination) => self.join(place, destination),
            Effect::SignIn(command) => {
                // Nothing that was asked with the credentials of before is to be answered with others.
                self.executor.break_off();
                self.signs_in = Some(command);
            }
            Effect::Browse(url) => self.browse(url),
            Effect::Of(place, effect) if place != self.model.place.shown() => match self.others.get_mut(&place) {
                Some(executor) => executor.execute(*effect),
                None => tracing::warn!(%place, "nothing is known any more of a place where something was to be done"),
            },
            other => self.executor.execute(other),
        }
    }

    /// Makes a session with another place. What is shown stays meanwhile.
    fn enter(&self, place: PlaceId, destination: Destination) {
        let (places, arrive) = (self.places.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let opened = places.open(&destination).await.map_err(refusal).and_then(|session| {
                let unfinished = session.audit.unfinished(&session.context);
                let unread = |error| Refusal::new(ErrorKind::Invalid, format!("the audit cannot be read: {error}"));
                unfinished.map(|operations| (session, operations)).map_err(unread)
            });
            // If the console is gone, nobody goes anywhere.
            let _ = arrive.send(Reached::Place(place, opened)).await;
        });
    }

    /// Makes a session with a place whose servers stand in Fleet, too.
    fn join(&self, place: PlaceId, destination: Destination) {
        let (places, arrive) = (self.places.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let opened = places.open(&destination).await.map_err(refusal);
            let _ = arrive.send(Reached::Beside(place, opened)).await;
        });
    }

    /// Works in the place that was reached, unless the operator has gone on to another one meanwhile.
    fn reached(&mut self, reached: Reached) {
        match reached {
            Reached::Place(place, _) if !self.model.place.awaits(place) => {}
            Reached::Place(place, Err(refusal)) => self.take(Msg::Entered(place, Box::new(Err(refusal)))),
            Reached::Place(place, Ok((session, unfinished))) => {
                let arrival = Arrival { context: session.context.clone(), unfinished };
                self.forget();
                let new = self.executor_of(place, session);
                let mut old = std::mem::replace(&mut self.executor, new);
                old.break_off();
                self.others.insert(self.model.place.shown(), old);
                self.take(Msg::Entered(place, Box::new(Ok(arrival))));
            }
            Reached::Beside(place, _) if !self.model.place.is_beside(place) => {}
            Reached::Beside(place, Err(refusal)) => self.take(Msg::Joined(place, Box::new(Err(refusal)))),
            Reached::Beside(place, Ok(session)) => {
                let context = session.context.clone();
                let executor = self.executor_of(place, session);
                if let Some(mut old) = self.others.insert(place, executor) {
                    old.break_off();
                }
                self.take(Msg::Joined(place, Box::new(Ok(context))));
            }
            Reached::Again(place, _) if place != self.model.place.shown() => {}
            Reached::Again(_, Err(why)) => self.take(Msg::SignedIn(Err(why))),
            Reached::Again(_, Ok((session, account))) => {
                let known = self.model.identity.get().map(|identity| identity.account.clone());
                let same = known.is_none_or(|known| known == account);
                if same {
                    self.executor.renew(session);
                }
                self.take(Msg::SignedIn(Ok(if same { Renewed::Same } else { Renewed::Elsewhere })));
            }
        }
    }

    fn executor_of(&self, place: PlaceId, session: Session) -> Executor {
        let outbox = Outbox::new(place, self.out.clone());
        Executor::new(session, self.outside.clone(), self.places.clone(), outbox)
    }

    /// Lets go of places that were left before, unless they stand in Fleet, or an operation of theirs may still want
    /// something.
    fn forget(&mut self) {
        let open = |operation: &&Operation| !matches!(operation.phase, Phase::Ended(_) | Phase::Refused(_));
        let bound = self.model.operations.iter().filter(open).map(|one| self.model.place.of_operation(one.id()));
        let bound: Vec<PlaceId> = bound.collect();
        let place = &self.model.place;
        self.others.retain(|id, executor| {
            let kept = bound.contains(id) || place.is_beside(*id);
            if !kept {
                executor.break_off();
            }
            kept
        });
    }

    /// Lends the terminal to a program by which somebody signs in. What comes meanwhile is taken, so that operations of
    /// other places go on. Returns the exit code if a signal ends the console.
    async fn sign_in(
        &mut self,
        tty: &mut Tty,
        signals: &mut Signals,
        keys: &mut Keys,
        command: &[String],
    ) -> std::io::Result<Option<Exit>> {
        keys.pause().await;
        tty.give_back();
        let outcome = self.run_in_terminal(signals, command).await;
        self.retake(tty)?;
        keys.resume();
        match outcome {
            Ran::Ended(Ok(())) => self.renew(),
            Ran::Ended(Err(why)) => self.take(Msg::SignedIn(Err(why))),
            Ran::Signal(exit) => return Ok(Some(exit)),
        }
        Ok(None)
    }

    async fn run_in_terminal(&mut self, signals: &mut Signals, command: &[String]) -> Ran {
        let line = command.join(" ");
        super::headless::progress(&format!("quarterdeck: {line}"));
        let Some((program, arguments)) = command.split_first() else { return Ran::Ended(Ok(())) };
        let mut child = match tokio::process::Command::new(program).args(arguments).kill_on_drop(true).spawn() {
            Ok(child) => child,
            Err(error) => return Ran::Ended(Err(format!("`{line}` could not be started: {error}"))),
        };
        let mut tick = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    // ctrl-c is for the program that has the terminal; that it ended says its exit code.
                    Asked::End(Exit::Interrupted) | Asked::Continued => {}
                    Asked::End(exit) => return Ran::Signal(exit),
                    // It was stopped, too, and nobody else would continue it.
                    Asked::Stop => child.id().into_iter().for_each(terminal::go_on),
                },
                ended = child.wait() => return Ran::Ended(match ended {
                    Ok(status) if status.success() => Ok(()),
                    Ok(status) => Err(format!("`{line}`: {status}")),
                    Err(error) => Err(format!("`{line}`: {error}")),
                }),
                Some(msg) = self.inbox.recv() => self.take_data(msg),
                _ = tick.tick() => self.take(Msg::Tick(Timestamp::now())),
            }
        }
    }

    /// Makes a new session with the place that is shown, and asks whose its credentials are.
    fn renew(&self) {
        let (places, arrive, place) = (self.places.clone(), self.arrive.clone(), self.model.place.shown());
        let here = Destination::here(&self.model.context);
        tokio::spawn(async move {
            let renewed = async {
                let session = places.open(&here).await.map_err(|error| error.to_string())?;
                let identity = session.cloud.identity().await.map_err(|error| error.to_string())?;
                Ok((session, identity.account))
            };
            let _ = arrive.send(Reached::Again(place, renewed.await)).await;
        });
    }

    /// Opens an address; where there is no browser, it goes to the clipboard and is told.
    fn browse(&mut self, url: String) {
        let Some(program) = browser::found() else { return self.execute(Effect::Copy(url)) };
        let out = self.out.clone();
        tokio::spawn(async move {
            let notice = match browser::open(&program, &url).await {
                Ok(()) => Notice::Good("opened in the browser".to_owned()),
                Err(why) => Notice::Bad(format!("not opened ({why}): {url}")),
            };
            let _ = out.send(Msg::Notice(notice)).await;
        });
    }

    /// The session of the place where an operation acts.
    fn session_of(&self, id: &str) -> Session {
        let place = self.model.place.of_operation(id);
        self.others.get(&place).unwrap_or(&self.executor).session().clone()
    }

    /// Leaves running operations where they are, and waits until the audit has that on disk. Returns
    /// those that were under way.
    async fn leave(&mut self) -> Vec<Left> {
        let now = Timestamp::now();
        let under_way = self.model.operations.iter().filter(|operation| operation.active());
        let left = under_way.map(|operation| Left { id: operation.id().into(), title: operation.plan.title.clone() });
        let left = left.collect();
        let sessions: Vec<Session> = self.model.operations.iter().map(|one| self.session_of(one.id())).collect();
        for (operation, session) in self.model.operations.iter_mut().zip(sessions) {
            let leave = Event::Leave("the console was closed".into());
            let drafts = operation.plan.drafts.clone();
            for effect in operation.handle(leave, now) {
                match effect {
                    operation::Order::Discard => operate::discard(&session, &drafts).await,
                    record => drop(operate::perform(session.clone(), record).await),
                }
            }
        }
        self.executor.leave().await;
        left
    }
}
