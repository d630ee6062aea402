//! Documents of the service, for as long as it says (RFC 9111).
//!
//! An expired document is never used, not even when the service fails: an old
//! warning that looks like a new one is worse than an error.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};

/// Most bytes of all documents.
const CAPACITY: usize = 16 * 1024 * 1024;
/// What one entry costs besides its document and path.
const OVERHEAD: usize = 256;
/// Longest time that a document is kept, whatever the service says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

struct Entry {
    body: Arc<[u8]>,
    expires: Instant,
}

#[derive(Default)]
struct Entries {
    by_path: HashMap<String, Entry>,
    bytes: usize,
}

/// A bounded cache. Copies share their documents.
#[derive(Clone)]
pub struct Cache {
    entries: Arc<Mutex<Entries>>,
    capacity: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Cache {
    /// A cache of at most `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Arc::default(), capacity }
    }

    /// The document at `path` if it is still fresh at `now`.
    pub fn get(&self, path: &str, now: Instant) -> Option<Arc<[u8]>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.by_path.get(path)?;
        if now < entry.expires {
            return Some(entry.body.clone());
        }
        entries.remove(path);
        None
    }

    /// Keeps a document that was asked for at `asked` until its `lifetime` is over.
    pub fn put(&self, path: &str, body: Vec<u8>, asked: Instant, lifetime: Duration) {
        let size = size(path, &body);
        if lifetime.is_zero() || size > self.capacity {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(path);
        while entries.bytes + size > self.capacity {
            // The document that expires first has expired already, or is of use for the shortest time.
            let first = entries.by_path.iter().min_by_key(|(_, entry)| entry.expires);
            let Some(path) = first.map(|(path, _)| path.clone()) else { break };
            entries.remove(&path);
        }
        entries.bytes += size;
        entries.by_path.insert(path.to_owned(), Entry { body: body.into(), expires: asked + lifetime.min(LONGEST) });
    }
}

impl Entries {
    fn remove(&mut self, path: &str) {
        if let Some(entry) = self.by_path.remove(path) {
            self.bytes -= size(path, &entry.body);
        }
    }
}

fn size(path: &str, body: &[u8]) -> usize {
    path.len() + body.len() + OVERHEAD
}

/// How long a response may be used from when it was asked for: its `max-age`, less
/// the `Age` that it already has. Zero if it may not be kept, or does not say.
pub fn lifetime(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<_> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut max_ages = Vec::new();
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            // This cache serves all callers of the server.
            "no-store" | "no-cache" | "private" => return Duration::ZERO,
            // What is not a number counts as stale (RFC 9111 section 4.2.1).
            "max-age" => max_ages.push(value.trim().trim_matches('"').parse().unwrap_or(0)),
            _ => {}
        }
    }
    let max_age: u64 = max_ages.into_iter().min().unwrap_or(0);
    let age = headers.get(AGE).map(|age| age.to_str().ok().and_then(|age| age.trim().parse().ok()).unwrap_or(u64::MAX));
    Duration::from_secs(max_age.saturating_sub(age.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(pairs: &[(&'static str, &'static str)]) -> u64 {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        lifetime(&headers).as_secs()
    }

    #[test]
    fn the_service_says_how_long() {
        let cases: [(&[(&str, &str)], u64); 14] = [
            (&[("cache-control", "public, max-age=900, s-maxage=3600")], 900),
            (&[("cache-control", "Max-Age=\"60\"")], 60),
            (&[("cache-control", "max-age=60"), ("age", "20")], 40),
            (&[("cache-control", "max-age=60"), ("age", "60")], 0),
            (&[("cache-control", "max-age=60"), ("age", "soon")], 0),
            (&[("cache-control", "max-age=60"), ("cache-control", "no-store")], 0),
            (&[("cache-control", "no-cache, max-age=60")], 0),
            (&[("cache-control", "private, max-age=60")], 0),
            (&[("cache-control", "max-age=60, max-age=5")], 5),
            (&[("cache-control", "max-age=-1")], 0),
            (&[("cache-control", "max-age")], 0),
            (&[("cache-control", "max-age=99999999999999999999")], 0),
            (&[("cache-control", "public")], 0),
            (&[("expires", "Fri, 01 Jan 2100 00:00:00 GMT")], 0),
        ];
        for (headers, expected) in cases {
            assert_eq!(seconds(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_document_is_fresh_until_its_time_is_over() {
        let (cache, asked) = (Cache::default(), Instant::now());
        cache.put("/a", b"old".to_vec(), asked, Duration::from_secs(60));
        let at = |second| cache.get("/a", asked + Duration::from_secs(second));
        assert_eq!(at(0).as_deref(), Some(b"old".as_slice()));
        assert_eq!(at(59).as_deref(), Some(b"old".as_slice()));
        assert_eq!(at(60), None);
        // And is not there any more, whatever the clock says next.
        assert_eq!(at(0), None);
        assert_eq!(cache.entries.lock().unwrap().bytes, 0);
        cache.put("/b", Vec::new(), asked, Duration::ZERO);
        assert_eq!(cache.get("/b", asked), None);
        // Nothing is kept for years, and no sum overflows.
        cache.put("/c", Vec::new(), asked, Duration::from_secs(u64::MAX));
        assert_eq!(cache.get("/c", asked + LONGEST), None);
    }

    #[test]
    fn the_cache_is_bounded() {
        let capacity = 10 * (OVERHEAD + 1000);
        let (cache, now) = (Cache::with_capacity(capacity), Instant::now());
        for number in 0..1000_u64 {
            // The later ones expire later, but for one that is there for long.
            let lifetime = Duration::from_secs(if number == 500 { 9000 } else { 100 + number });
            cache.put(&format!("/{number:03}"), vec![0; 900], now, lifetime);
            assert!(cache.entries.lock().unwrap().bytes <= capacity);
        }
        assert!(cache.get("/999", now).is_some() && cache.get("/500", now).is_some());
        assert!(cache.get("/000", now).is_none());
        cache.put("/999", vec![0; capacity], now, Duration::from_secs(9));
        assert!(cache.get("/500", now).is_some(), "what is too large displaces nothing");
    }

    #[test]
    fn a_newer_document_takes_the_place_of_the_older() {
        let (cache, now) = (Cache::default(), Instant::now());
        for body in [b"one".to_vec(), b"three".to_vec()] {
            cache.put("/a", body, now, Duration::from_secs(60));
        }
        assert_eq!(cache.get("/a", now).as_deref(), Some(b"three".as_slice()));
        assert_eq!(cache.entries.lock().unwrap().bytes, size("/a", b"three"));
    }
}
