//! Connections: taken until told to stop, then finished.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

/// Most bytes of a request's head. The load balancer takes a line of 16 KiB and
/// headers of 64 KiB.
const MAX_HEAD_BYTES: usize = 80 * 1024;
/// Pause after a connection could not be accepted. The usual reason is too many open files: trying again
/// at once would only use up the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop` is done, and returns those that are open. The listener is closed by
/// then, so that new connections are refused at once.
///
/// A connection on which no complete head arrives in `head_time` is closed. The
/// time includes the pause between two requests.
pub async fn accept(
    listener: TcpListener,
    router: Router,
    head_time: Duration,
    stop: impl Future<Output = ()>,
) -> GracefulShutdown {
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_header_size(MAX_HEAD_BYTES);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return connections,
        };
        match accepted {
            Ok((stream, _)) => serve(&http, stream, &router, &connections),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn serve(http: &http1::Builder, stream: TcpStream, router: &Router, connections: &GracefulShutdown) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.clone());
    let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
    // An error is a client that broke the connection or the protocol: hyper has answered what it could.
    tokio::spawn(async move { drop(connection.await) });
}
