//! A way to an endpoint that keeps which calls of AWS go over it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use quarterdeck::core::rights::calls::ApiCall;
use regex::bytes::Regex;

/// What clients sent over a connection.
type Sent = Arc<Mutex<Vec<u8>>>;

/// It ends with the test's process.
pub struct Recorder {
    pub url: String,
    /// What clients sent, connection by connection.
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Recorder {
    /// A way to `http://HOST:PORT`.
    pub fn before(endpoint: &str) -> Self {
        let address = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let all = sent.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let own: Sent = Arc::default();
                all.lock().unwrap().push(own.clone());
                // An endpoint that is gone is none to the client, too.
                let Ok(server) = TcpStream::connect(&address) else { continue };
                let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || pass(client, server, Some(&own)));
                thread::spawn(move || pass(back, forth, None));
            }
        });
        Self { url, sent }
    }

    /// The calls so far, of those that came since the last time they were taken, as `Operation`.
    pub fn take(&self) -> BTreeSet<String> {
        let name = Regex::new(r"(?i)x-amz-target: *[A-Za-z0-9_]+\.([A-Za-z]+)|\bAction=([A-Za-z]+)").unwrap();
        let mut names = BTreeSet::new();
        for one in self.sent.lock().unwrap().iter() {
            let sent = std::mem::take(&mut *one.lock().unwrap());
            let found = name.captures_iter(&sent).filter_map(|found| found.get(1).or(found.get(2)));
            names.extend(found.map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned()));
        }
        names
    }
}

/// Copies one direction of a connection to its end, and keeps what goes over it.
fn pass(mut from: TcpStream, mut to: TcpStream, kept: Option<&Mutex<Vec<u8>>>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if let Some(kept) = kept {
            kept.lock().unwrap().extend_from_slice(&buffer[..read]);
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// The call of this operation.
pub fn call_of(operation: &str) -> Option<ApiCall> {
    ApiCall::ALL.iter().copied().find(|call| call.right().name.split(':').nth(1) == Some(operation))
}
