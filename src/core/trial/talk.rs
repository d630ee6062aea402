//! What is said to a server in a trial, and how its answers are read. A message is a line of JSON, whatever the way.
//!
//! A server of the later era answers `server/discover` (MCP 2026-07-28, "Discovery"), one of the earlier era
//! `initialize` (MCP 2025-11-25, "Lifecycle"). gangway asks in the same order when it starts a server.

use serde_json::{Value, json};

use super::scope::Listed;

/// The revision of the later era.
const MODERN: &str = "2026-07-28";
/// The revisions of the earlier era, of which the last one is offered.
const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The most pages of a list that are read, and the most tools.
const MOST_PAGES: u64 = 100;
const MOST_TOOLS: usize = 10_000;
/// JSON-RPC 2.0, section 5.1.
const METHOD_NOT_FOUND: i32 = -32601;

/// The ids of our questions. Pages of the list have those after the first.
const DISCOVER: u64 = 1;
const INITIALIZE: u64 = 2;
const LIST: u64 = 3;

/// A conversation, as far as it has come.
#[derive(Debug)]
pub struct Talk {
    state: State,
    tools: Vec<Listed>,
}

#[derive(Debug)]
enum State {
    /// `server/discover` was sent.
    Discovers,
    /// `initialize` was sent, too, and `server/discover` may still be answered.
    Initializes { discovers: bool, refused: Option<String> },
    /// A page of the tools was asked for.
    Lists { modern: bool, revision: String, page: u64 },
}

/// What is to be done after something was heard.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// These lines are to be sent; more is awaited.
    Say(Vec<String>),
    /// It is over: the revision and the tools.
    Over { revision: String, tools: Vec<Listed> },
    /// It is over, and what was said is not the protocol.
    Broken(String),
    /// The line was no message: a server may say what it likes on its error stream, not here.
    Noise,
}

impl Talk {
    /// Begins one; what is to be sent first.
    pub fn begin() -> (Self, String) {
        let talk = Self { state: State::Discovers, tools: Vec::new() };
        (talk, question(DISCOVER, "server/discover", json!({}), true))
    }

    /// The time is over in which a server of the later era answers when it is up: one of the earlier era may keep
    /// silent.
    pub fn impatient(&mut self) -> Next {
        if !matches!(self.state, State::Discovers) {
            return Next::Say(Vec::new());
        }
        self.state = State::Initializes { discovers: true, refused: None };
        Next::Say(vec![initialize()])
    }

    /// Takes in a line.
    pub fn hear(&mut self, line: &str) -> Next {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return Next::Noise };
        if message["jsonrpc"] != "2.0" {
            return Next::Noise;
        }
        if let Some(method) = message["method"].as_str() {
            return Next::Say(answer(&message, method).into_iter().collect());
        }
        let Some(id) = message["id"].as_u64() else { return Next::Say(Vec::new()) };
        let result = message.get("result").filter(|result| result.is_object());
        match &mut self.state {
            State::Discovers if id == DISCOVER => match result.filter(|result| serves_modern(result)) {
                Some(result) => self.list(result, true, MODERN.to_owned()),
                None => {
                    self.state = State::Initializes { discovers: false, refused: None };
                    Next::Say(vec![initialize()])
                }
            },
            State::Initializes { discovers, refused } if id == DISCOVER => {
                match result.filter(|result| serves_modern(result)) {
                    Some(result) => self.list(result, true, MODERN.to_owned()),
                    None => {
                        *discovers = false;
                        refused.take().map_or(Next::Say(Vec::new()), Next::Broken)
                    }
                }
            }
            State::Initializes { discovers, refused } if id == INITIALIZE => {
                let revision = result.and_then(|result| result["protocolVersion"].as_str());
                match (result, revision) {
                    (Some(result), Some(revision)) if LEGACY.contains(&revision) => {
                        self.list(result, false, revision.to_owned())
                    }
                    (Some(_), Some(other)) => {
                        Next::Broken(format!("it speaks revision {other:?} of MCP, which is not known here"))
                    }
                    // One of the later era refuses it, and has not answered yet what it was asked first.
                    _ if *discovers => {
                        *refused = Some(format!("initialize: {}", fault(&message)));
                        Next::Say(Vec::new())
                    }
                    _ => Next::Broken(format!("initialize: {}", fault(&message))),
                }
            }
            State::Lists { page, .. } if id == LIST + *page => self.page(&message),
            _ => Next::Say(Vec::new()),
        }
    }

    /// It has said who it is.
    fn list(&mut self, result: &Value, modern: bool, revision: String) -> Next {
        let mut lines = Vec::new();
        if !modern {
            lines.push(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        }
        if result["capabilities"].get("tools").is_none() {
            return Next::Over { revision, tools: Vec::new() };
        }
        lines.push(question(LIST, "tools/list", json!({}), modern));
        self.state = State::Lists { modern, revision, page: 0 };
        Next::Say(lines)
    }

    fn page(&mut self, message: &Value) -> Next {
        let State::Lists { modern, revision, page } = &mut self.state else { return Next::Say(Vec::new()) };
        let Some(tools) = message["result"]["tools"].as_array() else {
            return Next::Broken(format!("tools/list: {}", fault(message)));
        };
        self.tools.extend(tools.iter().filter_map(Listed::of));
        self.tools.truncate(MOST_TOOLS);
        match message["result"]["nextCursor"].as_str() {
            Some(cursor) if *page + 1 < MOST_PAGES => {
                *page += 1;
                Next::Say(vec![question(LIST + *page, "tools/list", json!({ "cursor": cursor }), *modern)])
            }
            _ => Next::Over { revision: revision.clone(), tools: std::mem::take(&mut self.tools) },
        }
    }
}

fn serves_modern(result: &Value) -> bool {
    result["supportedVersions"].as_array().is_some_and(|all| all.iter().any(|one| one == MODERN))
}

/// What is said to a request of the server's own. There is nobody who could be asked anything.
fn answer(message: &Value, method: &str) -> Option<String> {
    let id = message.get("id")?;
    let answer = match method {
        "ping" => json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
        _ => {
            let error = json!({ "code": METHOD_NOT_FOUND, "message": "Method not found: this is a trial" });
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        }
    };
    Some(answer.to_string())
}

fn fault(message: &Value) -> String {
    match message["error"]["message"].as_str() {
        Some(said) => format!("it answers with an error: {said}"),
        None => "its answer is none of the protocol".to_owned(),
    }
}

fn initialize() -> String {
    let params = json!({ "protocolVersion": LEGACY[LEGACY.len() - 1], "capabilities": {}, "clientInfo": client() });
    question(INITIALIZE, "initialize", params, false)
}

fn client() -> Value {
    json!({ "name": "quarterdeck", "version": env!("CARGO_PKG_VERSION") })
}

/// A request. One of the later era says itself which revision it is of (MCP 2026-07-28, "Request metadata").
fn question(id: u64, method: &str, mut params: Value, modern: bool) -> String {
    if modern {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": client(),
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The methods and ids of lines to be sent.
    fn said(next: &Next) -> Vec<String> {
        let Next::Say(lines) = next else { panic!("{next:?}") };
        let read = |line: &String| {
            let message: Value = serde_json::from_str(line).unwrap();
            format!("{} {}", message["method"].as_str().unwrap_or("-"), message["id"])
        };
        lines.iter().map(read).collect()
    }

    fn begun() -> Talk {
        let (talk, first) = Talk::begin();
        assert!(first.contains("server/discover") && first.contains(MODERN) && !first.contains('\n'), "{first}");
        talk
    }

    const REFUSED: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#;
    const INITIALIZED: &str =
        r#"{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}}"#;
    const DISCOVERED: &str =
        r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}}"#;

    #[test]
    fn a_server_of_the_earlier_era_is_initialized_and_its_pages_are_read() {
        let mut talk = begun();
        assert_eq!(talk.hear("Starting server on stdio"), Next::Noise);
        assert_eq!(said(&talk.hear(REFUSED)), ["initialize 2"]);
        assert_eq!(said(&talk.hear(INITIALIZED)), ["notifications/initialized null", "tools/list 3"]);
        assert_eq!(said(&talk.hear(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#)), [""; 0]);
        let page = r#"{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"a"}],"nextCursor":"n"}}"#;
        let next = talk.hear(page);
        assert_eq!(said(&next), ["tools/list 4"]);
        assert!(
            matches!(next, Next::Say(lines) if lines[0].contains(r#""cursor":"n""#) && !lines[0].contains("_meta"))
        );
        assert_eq!(said(&talk.hear(page)), [""; 0], "an answer that comes twice is no page");
        let over = talk
            .hear(r#"{"jsonrpc":"2.0","id":4,"result":{"tools":[{"name":"b","annotations":{"readOnlyHint":true}}]}}"#);
        let tools = [("a", false), ("b", true)].map(|(name, reads)| Listed { name: name.into(), reads }).to_vec();
        assert_eq!(over, Next::Over { revision: "2025-06-18".into(), tools });
    }

    #[test]
    fn a_server_of_the_later_era_is_not_initialized() {
        let mut talk = begun();
        let next = talk.hear(DISCOVERED);
        assert_eq!(said(&next), ["tools/list 3"]);
        assert!(matches!(next, Next::Say(lines) if lines[0].contains("_meta")));
        let over = talk.hear(r#"{"jsonrpc":"2.0","id":3,"result":{"tools":[]}}"#);
        assert_eq!(over, Next::Over { revision: MODERN.into(), tools: Vec::new() });
    }

    #[test]
    fn a_silent_server_is_initialized_and_a_slow_one_of_the_later_era_is_heard() {
        let mut talk = begun();
        assert_eq!(said(&talk.impatient()), ["initialize 2"]);
        assert_eq!(said(&talk.impatient()), [""; 0]);
        let refused = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"no"}}"#;
        assert_eq!(said(&talk.hear(refused)), [""; 0]);
        assert_eq!(said(&talk.hear(DISCOVERED)), ["tools/list 3"]);
        let mut talk = begun();
        talk.impatient();
        assert_eq!(said(&talk.hear(REFUSED)), [""; 0]);
        let broken = || Next::Broken("initialize: it answers with an error: no".into());
        assert_eq!(talk.hear(refused), broken());
        let mut talk = begun();
        talk.impatient();
        assert_eq!(said(&talk.hear(refused)), [""; 0]);
        assert_eq!(talk.hear(REFUSED), broken(), "in whichever order it refuses both");
    }

    #[test]
    fn a_server_without_tools_has_none_and_its_own_requests_are_refused() {
        let mut talk = begun();
        let asked = talk.hear(r#"{"jsonrpc":"2.0","id":"x","method":"sampling/createMessage"}"#);
        assert!(
            matches!(&asked, Next::Say(lines) if lines[0].contains("-32601") && lines[0].contains(r#""id":"x""#)),
            "{asked:?}"
        );
        let ping = talk.hear(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#);
        assert!(matches!(&ping, Next::Say(lines) if lines[0].contains(r#""result":{}"#)), "{ping:?}");
        talk.hear(REFUSED);
        let over = talk.hear(r#"{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}"#);
        assert_eq!(over, Next::Over { revision: "2025-11-25".into(), tools: Vec::new() });
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let mut talk = begun();
        talk.hear(REFUSED);
        let other =
            talk.hear(r#"{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"1999-01-01","capabilities":{}}}"#);
        assert!(matches!(&other, Next::Broken(why) if why.contains("1999-01-01")), "{other:?}");
        let mut talk = begun();
        talk.hear(DISCOVERED);
        let odd = talk.hear(r#"{"jsonrpc":"2.0","id":3,"result":{"tools":7}}"#);
        assert_eq!(odd, Next::Broken("tools/list: its answer is none of the protocol".into()));
    }

    #[test]
    fn a_list_without_an_end_is_cut_and_what_is_no_message_is_noise() {
        let mut talk = begun();
        for noise in [r#"{"id":1,"result":{}}"#, r#"{"jsonrpc":"1.0","id":1,"result":{}}"#, "[]", "7"] {
            assert_eq!(talk.hear(noise), Next::Noise, "{noise}");
        }
        // An answer without an object is none.
        let next = talk.hear(r#"{"jsonrpc":"2.0","id":1,"result":["2026-07-28"]}"#);
        assert_eq!(said(&next), ["initialize 2"]);
        let next = talk.hear(r#"{"jsonrpc":"2.0","id":2,"result":"ok"}"#);
        assert_eq!(next, Next::Broken("initialize: its answer is none of the protocol".into()));
        let mut talk = begun();
        talk.hear(DISCOVERED);
        let tools: Vec<Value> = (0..MOST_TOOLS + 5).map(|nth| json!({ "name": format!("t{nth}") })).collect();
        let page = json!({ "jsonrpc": "2.0", "id": 3, "result": { "tools": tools } }).to_string();
        let over = talk.hear(&page);
        assert!(matches!(&over, Next::Over { tools, .. } if tools.len() == MOST_TOOLS));
    }

    #[test]
    fn pages_without_an_end_end() {
        let mut talk = begun();
        talk.hear(DISCOVERED);
        let mut asked = 0;
        loop {
            let page = format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{{"name":"t{asked}"}}],"nextCursor":"n"}}}}"#,
                LIST + asked
            );
            asked += 1;
            if let Next::Over { tools, .. } = talk.hear(&page) {
                assert_eq!((tools.len(), asked), (100, MOST_PAGES));
                return;
            }
        }
    }
}
