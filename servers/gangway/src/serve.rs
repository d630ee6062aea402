//! Connections: taken until told to stop, then finished.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_io_timeout::TimeoutStream;

use crate::config::Limits;
use crate::log::Log;

/// Most bytes of a request's head. The load balancer takes a line of 16 KiB and
/// headers of 64 KiB.
const MAX_HEAD_BYTES: usize = 80 * 1024;
/// Pause after a connection could not be accepted. The usual reason is too many open files: trying again
/// at once would only use up the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may be silent before it can be made to give its place to another: its request may be on its
/// way, or be there and not read yet.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause between two connections that make room, while there is none.
const ROOM_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop` is done, and returns those that are open. The listener is closed by
/// then, so that new connections are refused at once.
///
/// A connection on which no complete head arrives in [`Limits::head_time`] is closed; the time includes the
/// pause between two requests. Where there are as many connections as may be, the oldest that has not asked
/// anything for [`PATIENCE`] makes room: it is none of the load balancer's. Who comes waits until there is some.
pub async fn accept(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    log: &Log,
    stop: impl Future<Output = ()>,
) -> GracefulShutdown {
    let watched = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_header_size(MAX_HEAD_BYTES);
    let slots = Arc::new(Semaphore::new(limits.connections.min(files())));
    let mut silent = Silent::default();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            let accepted = listener.accept().await;
            loop {
                tokio::select! {
                    biased;
                    // Closed never, so there is a slot as soon as a connection ends.
                    slot = slots.clone().acquire_owned() => break (accepted, slot.ok()),
                    () = tokio::time::sleep(ROOM_PAUSE) => silent.make_room(Instant::now()),
                }
            }
        };
        let (accepted, slot) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => return watched,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let asked = Arc::new(AtomicBool::new(false));
        let served = connection(&http, stream, &router, &watched, asked.clone(), limits);
        let log = log.clone();
        let task = tokio::spawn(async move {
            let _slot = slot;
            note_refusal(served.await, &log);
        });
        silent.add(asked, task.abort_handle());
    }
}

/// Most connections for the files that this process may open: some are for the log, the listener and the
/// issuer's keys.
pub(crate) fn files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(32).max(8))
}

/// Serves one connection. Without a request in [`Limits::first_head_time`] it is closed.
fn connection(
    http: &http1::Builder,
    stream: TcpStream,
    router: &Router,
    watched: &GracefulShutdown,
    asked: Arc<AtomicBool>,
    limits: &Limits,
) -> impl Future<Output = hyper::Result<()>> + Send + 'static {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_time));
    let inner = TowerToHyperService::new(router.clone());
    let heard = asked.clone();
    let service = hyper::service::service_fn(move |request| {
        heard.store(true, Ordering::Relaxed);
        inner.call(request)
    });
    let connection = watched.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let first_head_time = limits.first_head_time;
    async move {
        let mut connection = std::pin::pin!(connection);
        match tokio::time::timeout(first_head_time, &mut connection).await {
            Ok(ended) => ended,
            Err(_) if !asked.load(Ordering::Relaxed) => Ok(()),
            Err(_) => connection.await,
        }
    }
}

/// Logs a request that did not get as far as the log of requests. hyper has answered it.
fn note_refusal(ended: hyper::Result<()>, log: &Log) {
    if let Err(error) = ended
        && error.is_parse()
    {
        let why = if error.is_parse_too_large() { "the head is too large" } else { "not HTTP/1.1" };
        log.event("warn", "bad_request", why);
    }
}

/// Connections that have not asked anything yet, the oldest first.
#[derive(Default)]
struct Silent(VecDeque<Quiet>);

/// One of them.
struct Quiet {
    since: Instant,
    asked: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Quiet {
    fn is_quiet(&self) -> bool {
        !self.asked.load(Ordering::Relaxed) && !self.task.is_finished()
    }
}

impl Silent {
    fn add(&mut self, asked: Arc<AtomicBool>, task: AbortHandle) {
        self.0.retain(Quiet::is_quiet);
        self.0.push_back(Quiet { since: Instant::now(), asked, task });
    }

    /// Closes the oldest, if it was silent for long enough.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(Quiet::is_quiet);
        if self.0.front().is_some_and(|oldest| now.duration_since(oldest.since) >= PATIENCE)
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream as Client};

    /// What is served at most: fewer are not allowed by the files of a process, either.
    const MOST: usize = 8;
    const ASKS: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    fn limits() -> Limits {
        Limits { connections: MOST, ..Limits::default() }
    }

    /// Serves on one thread, from when `clients` are connected until they have what they are to get.
    fn served<T: Send + 'static>(
        clients: impl FnOnce(SocketAddr, std::sync::mpsc::Sender<()>) -> T + Send + 'static,
    ) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (connected, begins) = std::sync::mpsc::channel();
            let clients = tokio::task::spawn_blocking(move || clients(address, connected));
            // So that all of them wait when the first is accepted.
            begins.recv().unwrap();
            let router = Router::new().route("/", axum::routing::get(|| async { "hello" }));
            let log = Log::new("test", std::io::sink());
            let limits = limits();
            tokio::select! {
                _ = accept(listener, router, &limits, &log, std::future::pending()) => unreachable!(),
                got = clients => got.unwrap(),
            }
        })
    }

    fn connect(address: SocketAddr, sends: &[u8]) -> Client {
        let mut client = Client::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client.write_all(sends).unwrap();
        client
    }

    fn read(mut client: Client) -> std::io::Result<String> {
        let mut answer = String::new();
        client.read_to_string(&mut answer).map(|_| answer)
    }

    #[test]
    fn who_has_asked_is_answered_however_many_come_at_once() {
        let answers = served(|address, connected| {
            let clients: Vec<_> = (0..MOST * 4).map(|_| connect(address, ASKS)).collect();
            connected.send(()).unwrap();
            clients.into_iter().map(read).collect::<Vec<_>>()
        });
        for answer in answers {
            assert!(answer.as_ref().is_ok_and(|answer| answer.ends_with("hello")), "{answer:?}");
        }
    }

    #[test]
    fn who_asks_nothing_makes_room() {
        let (answer, first, second) = served(|address, connected| {
            let mut silent: VecDeque<_> = (0..MOST).map(|_| connect(address, b"GET")).collect();
            let asks = connect(address, ASKS);
            connected.send(()).unwrap();
            let answer = read(asks).unwrap();
            let first = read(silent.pop_front().unwrap());
            let mut second = silent.pop_front().unwrap();
            second.set_nonblocking(true).unwrap();
            (answer, first, second.read(&mut [0; 1]).unwrap_err().kind())
        });
        assert!(answer.ends_with("hello"), "{answer}");
        assert!(first.is_ok_and(|rest| rest.is_empty()), "the oldest is closed");
        assert_eq!(second, std::io::ErrorKind::WouldBlock, "and no other");
    }
}
