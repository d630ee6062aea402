//! Connections: taken until told to stop, then finished.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// Accepts connections until `stop` is done, and returns those that are open. The listener is closed by
/// then, so that new connections are refused at once.
///
/// A connection on which no complete head arrives in [`Limits::head_time`] is closed; the time includes the
/// pause between two requests. Where there are as many connections as may be, the oldest that has not asked
/// anything yet makes room: it is none of the load balancer's.
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
            if slots.available_permits() == 0 {
                silent.make_room();
            }
            // Closed never, so there is a slot as soon as a connection ends.
            (accepted, slots.clone().acquire_owned().await.ok())
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
struct Silent(VecDeque<(Arc<AtomicBool>, AbortHandle)>);

impl Silent {
    fn add(&mut self, asked: Arc<AtomicBool>, task: AbortHandle) {
        self.0.retain(|(asked, task)| !asked.load(Ordering::Relaxed) && !task.is_finished());
        self.0.push_back((asked, task));
    }

    /// Closes the oldest.
    fn make_room(&mut self) {
        while let Some((asked, task)) = self.0.pop_front() {
            if !asked.load(Ordering::Relaxed) && !task.is_finished() {
                return task.abort();
            }
        }
    }
}
