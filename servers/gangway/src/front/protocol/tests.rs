use super::readable::DEEPEST;
use super::*;
use crate::Log;

fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
    given.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

fn table() -> ToolTable {
    let settings = serde_json::from_str(r#"{"hidden":["raw"]}"#).unwrap();
    ToolTable::new(settings, Log::new("test", std::io::sink()))
}

fn call<'a>(body: &'a str, given: &[(&'static str, &'static str)]) -> Result<Box<Call<'a>>, Fault> {
    match read(body.as_bytes(), &headers(given))? {
        Sent::Call(call) => Ok(call),
        Sent::Answer => panic!("an answer"),
    }
}

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":"p","own":1.0}"#;

fn modern(method: &str, rest: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}","params":{{"_meta":{META}{rest}}}}}"#)
}

#[test]
fn a_message_is_of_one_era_and_its_headers_say_the_same() {
    let list = modern("tools/list", "");
    let tool = modern("tools/call", r#","name":"é","arguments":{}"#);
    let plain = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let (version, lists) = (("mcp-protocol-version", MODERN), ("mcp-method", "tools/list"));
    let calls = ("mcp-method", "tools/call");
    type Case<'a> = (&'a str, &'a [(&'static str, &'static str)], Result<Era, i32>);
    let cases: [Case<'_>; 17] = [
        (plain, &[], Ok(Era::Legacy)),
        (plain, &[("mcp-protocol-version", "2025-06-18")], Ok(Era::Legacy)),
        (plain, &[("mcp-protocol-version", "2019-01-01")], Err(-32022)),
        (plain, &[version], Err(-32602)),
        (&list, &[version, lists], Ok(Era::Modern)),
        (&list, &[lists], Err(-32020)),
        (&list, &[("mcp-protocol-version", "2025-06-18"), lists], Err(-32020)),
        (&list, &[version], Err(-32020)),
        (&list, &[version, calls], Err(-32020)),
        (&tool, &[version, calls, ("mcp-name", "=?base64?w6k=?=")], Ok(Era::Modern)),
        (&tool, &[version, calls, ("mcp-name", "e")], Err(-32020)),
        (&tool, &[version, calls, ("mcp-name", "=?base64?#?=")], Err(-32020)),
        (&tool, &[version, calls], Err(-32020)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#, &[], Err(-32602)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, &[], Ok(Era::Legacy)),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, &[], Err(-32600)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, &[], Err(-32602)),
    ];
    for (body, given, expected) in cases {
        let found = call(body, given);
        assert_eq!(found.map(|call| call.era).map_err(|fault| fault.code), expected, "{body} {given:?}");
    }
    let other = list.replace("2026-07-28", "2027-01-01");
    let fault = call(&other, &[("mcp-protocol-version", "2027-01-01"), lists]).unwrap_err();
    assert_eq!((fault.code, &fault.data.unwrap()["requested"]), (-32022, &json!("2027-01-01")));
    assert!(matches!(read(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#, &headers(&[])), Ok(Sent::Answer)));
    for none in [r#"{"id":1,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1}"#, r#"{"jsonrpc":"2.0","method":7}"#] {
        assert_eq!(call(none, &[]).unwrap_err().code, -32600, "{none}");
    }
}

fn modern_call(body: &str) -> Box<Call<'_>> {
    let given = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
    call(body, &given).unwrap()
}

/// What the server gets, parsed, and the way back.
fn sent(call: &Call<'_>, server: Era, id: Option<u64>) -> (Value, Origin) {
    let (body, origin) = forward(call, server, id);
    (serde_json::from_slice(&body).unwrap(), origin)
}

#[test]
fn a_request_is_made_into_one_of_the_servers_era() {
    let body = modern("tools/list", r#","cursor":"c","x":[1e400]"#);
    let of = modern_call(&body);
    let (got, _) = sent_text(&of, Era::Legacy, Some(7));
    assert_eq!(
        got,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"progressToken":7,"own":1.0},"cursor":"c","x":[1e400]}}"#
    );
    let (got, _) = sent_text(&of, Era::Modern, None);
    assert_eq!(got, body, "what needs no change has none");

    let plain = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let of = call(plain, &[]).unwrap();
    assert_eq!(sent_text(&of, Era::Legacy, Some(8)).0, plain.replace(":1,", ":8,"));
    let (got, _) = sent(&of, Era::Modern, None);
    assert_eq!(got["id"], 1);
    assert_eq!(got["params"]["_meta"][VERSION_KEY], MODERN);
    assert_eq!(got["params"]["_meta"][CAPABILITIES_KEY], json!({}), "nothing is promised to the server");
}

fn sent_text(call: &Call<'_>, server: Era, id: Option<u64>) -> (String, Origin) {
    let (body, origin) = forward(call, server, id);
    (String::from_utf8(body).unwrap(), origin)
}

fn back(origin: &Origin, text: &str) -> String {
    match origin.back(text.as_bytes(), &table()) {
        Some(Back::Notice(text) | Back::Answer(text, _)) => String::from_utf8(text).unwrap(),
        Some(Back::Asks(id, method)) => format!("asks {method} {id}"),
        None => "nothing".to_owned(),
    }
}

#[test]
fn an_answer_is_made_into_one_of_the_clients_era() {
    let list = modern("tools/list", "");
    let later = modern_call(&list);
    let earlier = call(r#"{"jsonrpc":"2.0","id":1.50,"method":"tools/list"}"#, &[]).unwrap();
    let tool = call(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}"#, &[]).unwrap();
    let answer = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":9,"result":{result}}}"#);
    let cases = [
        (
            &later,
            Era::Legacy,
            r#"{"tools":[]}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}}"#,
        ),
        (
            &later,
            Era::Modern,
            r#"{"resultType":"complete","tools":[{"name":"raw"}],"ttlMs":5,"cacheScope":"public"}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","tools":[],"ttlMs":5,"cacheScope":"private"}}"#,
        ),
        (
            &earlier,
            Era::Modern,
            r#"{"resultType":"complete","tools":[],"ttlMs":5,"cacheScope":"public","x":1.0}"#,
            r#"{"jsonrpc":"2.0","id":1.50,"result":{"tools":[],"x":1.0}}"#,
        ),
        (
            &tool,
            Era::Legacy,
            r#"{ "content":[],"x":1e400}"#,
            r#"{"jsonrpc":"2.0","id":2,"result":{ "content":[],"x":1e400}}"#,
        ),
    ];
    for (of, server, result, expected) in cases {
        let (_, origin) = sent(of, server, Some(9));
        assert_eq!(back(&origin, &answer(result)), expected);
    }
    let (_, origin) = sent(&tool, Era::Modern, None);
    assert!(back(&origin, &answer(r#"{"resultType":"input_required"}"#)).contains("-32603"));
    assert_eq!(
        back(&origin, r#"{"jsonrpc":"2.0","id":9,"error":{"code":-1,"message":"m","data":1.0}}"#),
        r#"{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"m","data":1.0}}"#
    );
    assert_eq!(back(&origin, r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#), r#"asks roots/list "q""#);
    for none in ["[]", "1", r#"{"id":9}"#, r#"{"id":9,"result":1}"#] {
        assert_eq!(back(&origin, none), "nothing", "{none}");
    }
    let (_, origin) = sent(&later, Era::Legacy, Some(9));
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9,"progress":0.10}}"#;
    assert_eq!(back(&origin, progress), progress.replace(":9,", ":\"p\","));
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1.0}}"#;
    assert_eq!(back(&origin, log), log);
}

#[test]
fn a_client_gets_the_revision_that_both_know() {
    let info = json!({ "name": "s", "version": "1" });
    let capabilities =
        json!({ "tools": { "listChanged": true }, "logging": {}, "resources": { "subscribe": true }, "new": 1 });
    let initialized = json!({ "protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info, "instructions": "i" });
    let legacy = Known::legacy(&initialized).unwrap();
    for (asked, expected) in
        [("2025-03-26", "2025-03-26"), ("2025-11-25", "2025-06-18"), ("2026-07-28", "2025-06-18"), ("x", "2025-06-18")]
    {
        assert_eq!(legacy.initialized(Some(asked))["protocolVersion"], expected, "{asked}");
    }
    let shared = json!({ "tools": {}, "resources": {}, "new": 1 });
    assert_eq!(legacy.initialized(None)["capabilities"], shared, "what cannot be shared is not offered");
    let discovered = legacy.discovered(false);
    assert_eq!((&discovered["capabilities"], &discovered["instructions"]), (&shared, &json!("i")));
    assert_eq!((&discovered["cacheScope"], &discovered["_meta"][SERVER_KEY]), (&json!("private"), &info));
    assert!(discovered["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)));

    let result = json!({ "supportedVersions": [MODERN], "capabilities": { "tools": { "listChanged": true } }, "_meta": { SERVER_KEY: info }, "x": 1, "cacheScope": "public" });
    let modern = Known::modern(result).unwrap();
    assert_eq!(modern.initialized(Some("2025-03-26"))["protocolVersion"], "2025-03-26");
    assert_eq!(modern.initialized(Some(MODERN))["protocolVersion"], "2025-11-25");
    assert_eq!(modern.initialized(None)["serverInfo"], info);
    assert_eq!((&modern.discovered(true)["x"], &modern.discovered(true)["cacheScope"]), (&json!(1), &json!("private")));
    assert_eq!(modern.discovered(false)["capabilities"], json!({ "tools": {} }));
    assert!(Known::modern(json!({ "supportedVersions": ["2027-01-01"] })).is_none());
    assert!(Known::legacy(&json!({ "protocolVersion": "1999-01-01" })).is_none());
}

#[test]
fn what_is_nested_too_deep_is_refused_before_the_server_sees_it() {
    let list = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"x":{open}{close}}}}}"#)
    };
    // Two objects are around the lists.
    let code = |depth: usize| read(list(depth).as_bytes(), &HeaderMap::new()).err().map(|fault| fault.code);
    assert_eq!((code(DEEPEST - 2), code(DEEPEST - 1)), (None, Some(INVALID_REQUEST)));
}

#[test]
fn what_some_parser_behind_cannot_read_is_refused() {
    let with = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list"{rest}}}"#);
    let number = format!(r#","params":{{"x":{}}}"#, "9".repeat(5_000));
    for bad in [r#","params":{"x":"\ud800"}"#, &number, r#","result":{}"#, r#","error":{"code":1,"message":"x"}"#] {
        let bad = with(bad);
        assert_eq!(read(bad.as_bytes(), &HeaderMap::new()).unwrap_err().code, INVALID_REQUEST, "{bad}");
    }
    for bad in [r#","params":{"_meta":5}"#, r#","params":{"_meta":{"a":1,"a":2}}"#] {
        let bad = with(bad);
        assert_eq!(read(bad.as_bytes(), &HeaderMap::new()).unwrap_err().code, INVALID_PARAMS, "{bad}");
    }
    let good = with(r#","params":{"x":"\ud83d\ude00","_meta":{}}"#);
    assert!(read(good.as_bytes(), &HeaderMap::new()).is_ok());
}

#[test]
fn a_revision_that_is_not_served_is_refused_whatever_the_message_is() {
    let messages = [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    ];
    for message in messages {
        for version in ["1999-01-01", "2099-01-01", "junk", ""] {
            let fault = read(message.as_bytes(), &headers(&[("mcp-protocol-version", version)])).unwrap_err();
            let data = fault.data.unwrap();
            assert_eq!((fault.code, &data["requested"]), (UNSUPPORTED_VERSION, &json!(version)), "{message}");
            assert_eq!(data["supported"], json!(supported()));
        }
        assert!(read(message.as_bytes(), &headers(&[("mcp-protocol-version", "2025-06-18")])).is_ok(), "{message}");
    }
}
