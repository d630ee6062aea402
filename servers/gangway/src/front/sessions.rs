//! Sessions of the server behind that callers do not share.
//!
//! Over standard streams a session is a process of its own, over HTTP one of MCP (Transports, "Session Management") with
//! the one process. Clients know nothing of it: a caller is told by its token. Each session is kept by a task
//! of its own, so that a request that is dropped drops nothing but its place.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::http::Http;
use super::link::{Failure, Link};
use super::seats::{Number, Sat, Seats};
use super::settings::Sessions;
use super::start::{Meeting, Run, Starter, Up};
use crate::token::Caller;

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Owner {
    /// The client, and who uses it.
    Caller(String, Option<String>),
    /// The request with this number.
    Request(u64),
}

/// The sessions of all callers.
pub struct Pool {
    starter: Arc<Starter>,
    state: Mutex<State>,
    /// One for each session until it has ended, so that there are never more processes than may be.
    places: Semaphore,
    /// A session has become free, or ended.
    freed: Notify,
    /// Cancelled to end them all.
    stop: CancellationToken,
    tasks: TaskTracker,
}

struct State {
    seats: Seats<Owner>,
    live: HashMap<Number, Session>,
    requests: u64,
}

struct Session {
    up: watch::Receiver<Option<Arc<Run>>>,
    end: CancellationToken,
}

/// The server for one request. Where callers do not share it, the session is held until this is dropped.
pub struct Lease {
    run: Arc<Run>,
    _place: Option<Place>,
}

impl Deref for Lease {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

/// A place in a session.
struct Place {
    pool: Arc<Pool>,
    number: Number,
}

/// A place in a session, and whether it was begun for this.
struct Seated {
    place: Place,
    session: watch::Receiver<Option<Arc<Run>>>,
    is_new: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        let free = state.seats.rise(self.number, Instant::now());
        if free && self.pool.starter.app.sessions == Sessions::PerRequest {
            state.end(self.number);
        }
        drop(state);
        self.pool.freed.notify_waiters();
    }
}

impl State {
    /// Ends a session that nobody gets any more.
    fn end(&mut self, number: Number) {
        self.seats.leave(number);
        if let Some(session) = self.live.remove(&number) {
            session.end.cancel();
        }
    }
}

impl Pool {
    /// No sessions yet. They end when `stop` is cancelled.
    pub fn new(starter: Arc<Starter>, stop: CancellationToken) -> Self {
        let most = starter.app.processes();
        let state = State { seats: Seats::new(most), live: HashMap::new(), requests: 0 };
        let (places, freed, tasks) = (Semaphore::new(most), Notify::new(), TaskTracker::new());
        Self { starter, state: Mutex::new(state), places, freed, stop, tasks }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server for a request of this caller. `main` is the run of the server that is up. Where all sessions are in
    /// use, it waits for one until `until`.
    ///
    /// # Errors
    /// If no session became free, or none could be started.
    pub async fn take(
        self: &Arc<Self>,
        main: Arc<Run>,
        caller: Option<&Caller>,
        until: tokio::time::Instant,
    ) -> Result<Lease, Failure> {
        let Some(owner) = self.owner(&main, caller) else { return Ok(Lease { run: main, _place: None }) };
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // From here on, so that nothing is missed that becomes free while it is looked.
            freed.as_mut().enable();
            if let Some(Seated { place, mut session, is_new }) = self.sit(&owner, &main) {
                match session.wait_for(Option::is_some).await.ok().and_then(|run| run.clone()) {
                    Some(run) => return Ok(Lease { run, _place: Some(place) }),
                    None if is_new => return Err(Failure::NotStarted),
                    // It was ending. The next one is not.
                    None => continue,
                }
            }
            tokio::time::timeout_at(until, freed).await.map_err(|_| Failure::Full)?;
        }
    }

    /// Whose session it is. `None`: everybody's.
    fn owner(&self, main: &Run, caller: Option<&Caller>) -> Option<Owner> {
        if matches!(&main.link, Link::Http(link) if !link.keeps_sessions()) {
            return None;
        }
        match self.starter.app.sessions {
            Sessions::Shared => None,
            Sessions::PerCaller => {
                let client = caller.map(|caller| caller.client_id.clone()).unwrap_or_default();
                Some(Owner::Caller(client, caller.and_then(|caller| caller.subject.clone())))
            }
            Sessions::PerRequest => {
                let mut state = self.state();
                state.requests += 1;
                Some(Owner::Request(state.requests))
            }
        }
    }

    /// A place in the owner's session, which may not be up yet. `None` while all are in use.
    fn sit(self: &Arc<Self>, owner: &Owner, main: &Arc<Run>) -> Option<Seated> {
        let mut state = self.state();
        let (number, session, is_new) = match state.seats.sit(owner, Instant::now()) {
            Sat::Full => return None,
            Sat::Has(number) => (number, state.live.get(&number).map(|session| session.up.clone()), false),
            Sat::New(number, evicted) => {
                evicted.into_iter().for_each(|evicted| state.end(evicted));
                let (up, end) = (watch::Sender::new(None), self.stop.child_token());
                let session = up.subscribe();
                state.live.insert(number, Session { up: session.clone(), end: end.clone() });
                self.tasks.spawn(self.clone().keep(number, main.clone(), up, end));
                (number, Some(session), true)
            }
        };
        // What sits has a session: both come and go under one lock.
        session.map(|session| Seated { place: Place { pool: self.clone(), number }, session, is_new })
    }

    /// Keeps one session until it ends, by itself or because it is told to.
    async fn keep(self: Arc<Self>, number: Number, main: Arc<Run>, up: Up, end: CancellationToken) {
        let ends = async {
            // Closed never. One that has made room may still be ending.
            let _place = self.places.acquire().await;
            if end.is_cancelled() {
                return None;
            }
            match &main.link {
                Link::Http(link) => self.http(&main, link, &up, &end).await,
                Link::Stdio(_) => {
                    let fall = self.starter.once(Meeting::Again(&main.known), &up, &end, |_, _| {}).await;
                    fall.map(|fall| fall.to_string())
                }
            }
        };
        let why = tokio::select! {
            why = ends => why,
            never = self.idle(number, &end) => match never {},
        };
        if let Some(why) = why {
            let whose = self.starter.app.sessions;
            self.starter.log.event("error", "session_end", &format!("{why}; it was {whose}, and others go on"));
        }
        self.state().end(number);
        // Whoever waits for it to be up waits in vain.
        drop(up);
        self.freed.notify_waiters();
    }

    /// Tells a session to end that is not used any more. What it is told, it does in its own time.
    async fn idle(&self, number: Number, end: &CancellationToken) -> std::convert::Infallible {
        loop {
            let left = self.state().seats.left(number, Instant::now());
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => break,
            }
        }
        end.cancel();
        std::future::pending().await
    }

    /// A session of MCP with the one process. Returns why it ended, `None` if it was told to.
    async fn http(&self, main: &Run, link: &Http, up: &Up, end: &CancellationToken) -> Option<String> {
        let link = link.another();
        let known = tokio::select! {
            known = link.initialize() => match known {
                Ok(known) => known,
                Err(why) => return Some(format!("a session of the server could not be begun: {why}")),
            },
            () = end.cancelled() => return None,
            // Its end is told elsewhere.
            () = main.gone.cancelled() => return None,
        };
        let run = Arc::new(Run { link: Link::Http(Box::new(link)), known, gone: main.gone.child_token() });
        up.send_replace(Some(run.clone()));
        tokio::select! {
            () = end.cancelled() => {}
            () = main.gone.cancelled() => {}
        }
        up.send_replace(None);
        if let (Link::Http(link), false) = (&run.link, main.gone.is_cancelled()) {
            link.end(&run.known).await;
        }
        None
    }

    /// Waits until all have ended. They must have been told to.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
