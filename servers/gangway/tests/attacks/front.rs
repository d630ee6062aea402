//! The same attacks on the program `gangway`, with a server behind it that knows nothing of it.

use std::net::SocketAddr;

use serde_json::json;

use crate::world::{Front, child};
use crate::{BODY_LIMIT, Case, accepted, authorized, corpus, exchange, listing, status, told, verdict};

#[tokio::test]
async fn every_attack_is_refused_in_front_of_any_server() {
    let cases: Vec<Case> = corpus();
    for transport in ["stdio", "http"] {
        let mut app = child(transport, &[]);
        // The tools of the tables.
        app["tools"] = json!({ "read": ["tick"], "write": ["wind"] });
        let front = Front::launch(app, |command| {
            command.env("GANGWAY_MAX_BODY_BYTES", BODY_LIMIT.to_string());
        })
        .await;
        front.ready().await;
        let address = SocketAddr::from(([127, 0, 0, 1], front.port));
        let mut wrong = Vec::new();
        for case in &cases {
            wrong.extend(verdict(case, &exchange(address, &case.request).await));
        }
        let (bad, all) = (wrong.len(), cases.len());
        assert!(wrong.is_empty(), "{transport}: {bad} of {all} not refused as they should be:\n{}", wrong.concat());
        let log = front.log();
        for case in &cases {
            assert_eq!(told(case, &log), None, "{transport}: {}", case.name);
        }
        // Whatever came before, the server serves, and nothing of it has reached a tool.
        assert_eq!(front.call("seen", json!({})).await["state"]["calls"], 1, "{transport}");
        for (name, request) in accepted() {
            let answer = exchange(address, &request).await;
            assert!(status(&answer) == 200 && answer.contains("\"tools\""), "{transport}: {name}: {answer}");
        }
        assert_eq!(status(&exchange(address, &listing(&authorized())).await), 200);
    }
}
