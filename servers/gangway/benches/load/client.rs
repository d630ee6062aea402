//! Connections that each send the same request, one after the other.

use std::rc::Rc;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A server and the request to it.
pub struct Target {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Target {
    /// The request with `message`, or why it cannot be made.
    pub fn new(url: &str, token: &str, more: &[(String, String)], message: &Value) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let host = uri.host().ok_or_else(|| format!("{url}: no host"))?.to_owned();
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("{url}: neither http nor https")),
        };
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            header("host", &authority),
            header("content-type", "application/json"),
            header("accept", "application/json, text/event-stream"),
        ];
        if !token.is_empty() {
            headers.push(header("authorization", &format!("Bearer {token}")));
        }
        headers.extend_from_slice(more);
        let tls = secure.then(|| TlsConnector::from(Arc::new(tls_config())));
        Ok(Self { uri, host, port, tls, headers, body: Bytes::from(message.to_string()) })
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path);
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        // Without the cause, which may repeat a header's value.
        request.body(Full::new(self.body.clone())).map_err(|_| "a header cannot be sent".to_owned())
    }
}

fn tls_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

/// A connection, opened again when the server has closed it.
pub struct Connection {
    target: Rc<Target>,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Opens a connection.
    pub async fn open(target: &Rc<Target>) -> Result<Self, String> {
        let sender = connect(target).await.map_err(|error| format!("{}:{}: {error}", target.host, target.port))?;
        Ok(Self { target: target.clone(), sender })
    }

    /// Sends the request and reads the answer, which must be a result.
    pub async fn request(&mut self) -> Result<(), String> {
        if self.sender.ready().await.is_err() {
            *self = Self::open(&self.target.clone()).await?;
        }
        let response = self.sender.send_request(self.target.request()?).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let result = body.windows(9).any(|window| window == b"\"result\":");
        if status.as_u16() == 200 && result {
            return Ok(());
        }
        let start: String = String::from_utf8_lossy(&body).chars().take(300).collect();
        Err(format!("status {status}: {start:?}"))
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn connect(target: &Target) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match &target.tls {
        Some(tls) => Box::new(tls.connect(target.host.clone().try_into()?, stream).await?),
        None => Box::new(stream),
    };
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}
