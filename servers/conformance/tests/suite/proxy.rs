//! Adds a token to requests: the suite has none to send. Everything else passes
//! through as it is, names of headers in their case and bodies as streams.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, client, server};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// Starts the proxy on a free port of the loopback.
pub async fn start(upstream: SocketAddr, token: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let authorization = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    tokio::spawn(async move {
        while let Ok((downstream, _)) = listener.accept().await {
            // A connection that breaks off is the suite's to judge.
            tokio::spawn(relay(downstream, upstream, authorization.clone()));
        }
    });
    address
}

/// One connection of the suite is one to the server, so that its end is one, too.
async fn relay(downstream: TcpStream, upstream: SocketAddr, authorization: HeaderValue) -> io::Result<()> {
    let upstream = TokioIo::new(TcpStream::connect(upstream).await?);
    let connecting = client::conn::http1::Builder::new().preserve_header_case(true).handshake(upstream).await;
    let (sender, connection) = connecting.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let sender = Arc::new(Mutex::new(sender));
    let forward = service_fn(move |mut request: Request<Incoming>| {
        request.headers_mut().entry(AUTHORIZATION).or_insert_with(|| authorization.clone());
        let sender = sender.clone();
        async move {
            let mut sender = sender.lock().await;
            sender.ready().await?;
            sender.send_request(request).await
        }
    });
    let mut served = server::conn::http1::Builder::new();
    served
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(downstream), forward)
        .await
        .map_err(io::Error::other)
}
