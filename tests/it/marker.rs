//! What AWS answers to a call that carries secrets is in no output, on no screen, in no log and in no audit, and
//! of an answer that succeeded not a byte is, whatever the call.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::front::{Front, Spoilt};
use crate::support::pty::{self, Console};
use crate::support::scripted::Reply;
use crate::support::world::{Setup, World};
use crate::tour::{Part, tour};
use futures::{StreamExt, stream};
use quarterdeck::core::rights::calls::{ApiCall, Repeat, repeatable};
use rstest::rstest;

/// Nobody but the answer says it.
const MARKER: &str = "HUNTER2";
/// An answer that a client of the API cannot make sense of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    /// 200, cut off in the middle of a value.
    Garbled,
    /// 200, and a value of another type than the API's.
    WrongType,
    /// 200 and a page, as of a captive portal.
    Page,
    /// 4xx in words.
    Words,
    /// 4xx in JSON without a code.
    NoCode,
    /// 4xx whose code is the marker.
    StrangeCode,
    /// 4xx with a code, and a reason that quotes what was sent.
    Reason,
    /// 5xx in words.
    Broken,
    /// 5xx and a proxy's page.
    ProxyPage,
}

impl Bad {
    fn reply(self) -> Reply {
        let answer = |status: u16, text: &str| Reply::Answer(status, text.replace("MARKER", MARKER));
        match self {
            Self::Garbled => answer(200, r#"{"SecretString":"MARKER","MARKER": MARKER"#),
            Self::WrongType => answer(200, WRONG),
            Self::Page => answer(200, "<html><title>MARKER</title><p>MARKER</html>"),
            Self::Words => answer(400, "MARKER is not right"),
            Self::NoCode => answer(403, r#"{"detail":"MARKER"}"#),
            Self::StrangeCode => Reply::error(400, MARKER, "no"),
            Self::Reason => {
                let words = format!("Value '{MARKER}' at 'clientSecret' failed to satisfy constraint");
                Reply::error(400, "InvalidParameterException", &words)
            }
            Self::Broken => answer(503, "MARKER is busy"),
            Self::ProxyPage => answer(502, "<html><title>MARKER</title>Bad Gateway</html>"),
        }
    }

    /// Whether the marker may be repeated where this much is.
    fn allowed(self, repeat: Repeat) -> bool {
        match self {
            Self::Garbled | Self::WrongType | Self::Page | Self::ProxyPage => false,
            Self::Words | Self::NoCode | Self::Broken | Self::StrangeCode => repeat == Repeat::Text,
            Self::Reason => repeat >= Repeat::Reason,
        }
    }
}

/// Every field that one of the calls has a list or a number for, as a text.
const WRONG: &str = r#"{"SecretString":"{\"client_id\":\"client1\",\"client_secret\":\"MARKER\"}","CreatedDate":"MARKER",
    "UserPoolClient":"MARKER","UserPoolClients":"MARKER","ClientSecrets":"MARKER","ClientSecretDescriptor":"MARKER",
    "SecretList":"MARKER","VersionIdsToStages":"MARKER","VersionStages":"MARKER","clusters":"MARKER","services":"MARKER",
    "service":"MARKER","serviceArns":"MARKER","tasks":"MARKER","task":"MARKER","taskArns":"MARKER","taskDefinition":"MARKER",
    "taskDefinitionArns":"MARKER","ScalableTargets":"MARKER","events":"MARKER","logGroups":"MARKER","results":"MARKER",
    "ARN":{"MARKER":1},"Name":{"MARKER":1},"queryId":{"MARKER":1},"images":"MARKER","downloadUrl":{"MARKER":1},"success":"MARKER","access_token":{"MARKER":1}}"#;

/// How a call is named on the wire.
fn on_the_wire(call: ApiCall) -> String {
    match call {
        ApiCall::Token => "/oauth2/token".to_owned(),
        ApiCall::ToolsList => "/mcp".to_owned(),
        ApiCall::Metadata => "/metadata".to_owned(),
        call => call.right().name.split(':').nth(1).unwrap().to_owned(),
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_repeated_that_may_hold_a_secret(
    #[values(
        Bad::Garbled,
        Bad::WrongType,
        Bad::Page,
        Bad::Words,
        Bad::NoCode,
        Bad::StrangeCode,
        Bad::Reason,
        Bad::Broken,
        Bad::ProxyPage
    )]
    bad: Bad,
) {
    let one = |call: ApiCall| async move {
        let name = on_the_wire(call);
        let mut told = Vec::new();
        // What a plan reads may be well, and what the operation reads not.
        for after in [0, 1, 3] {
            let spoilt = Spoilt { call: name.clone(), after, reply: bad.reply() };
            let (seen, said) = tour(Part::of(call), Some(spoilt)).await;
            let tail = &said[said.ceil_char_boundary(said.len().saturating_sub(3_000))..];
            assert!(seen.contains(&name) || after > 0, "{call:?} is not made by {:?}: {tail}", Part::of(call));
            let allowed = bad.allowed(repeatable(call.right().name));
            if said.contains(MARKER) && !allowed {
                let line = said.lines().find(|line| line.contains(MARKER)).unwrap_or_default();
                let at = line.find(MARKER).unwrap_or_default();
                told.push(format!(
                    "{call:?} after {after}: {}",
                    &line[line.floor_char_boundary(at.saturating_sub(300))..]
                ));
            }
            if !matches!(Part::of(call), Part::Rotate | Part::Replace | Part::Secrets) {
                break;
            }
        }
        told
    };
    let told: Vec<Vec<String>> = stream::iter(ApiCall::ALL).map(|call| one(*call)).buffer_unordered(8).collect().await;
    let told: Vec<String> = told.into_iter().flatten().collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

/// What every file below a directory holds.
fn files(path: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(path) else { return String::new() };
    let of = |path: &Path| match path.is_dir() {
        true => files(path),
        false => String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned(),
    };
    entries.map(|entry| of(&entry.unwrap().path())).collect()
}

const VALUES: [ApiCall; 6] = [
    ApiCall::GetSecretValue,
    ApiCall::DescribeUserPoolClient,
    ApiCall::ListUserPoolClientSecrets,
    ApiCall::PutSecretValue,
    ApiCall::AddUserPoolClientSecret,
    ApiCall::Token,
];

/// The command line, with the log as talkative as it can be. A plan that succeeds is carried out.
#[tokio::test(flavor = "multi_thread")]
async fn no_command_prints_logs_or_records_such_an_answer() {
    const COMMANDS: [&[&str]; 4] = [
        &["clients", "list", "--output", "json"],
        &["clients", "token", "prod-time-machine"],
        &["clients", "rotate", "prod-time-machine", "--grace", "0s", "--yes"],
        &["status"],
    ];
    const KINDS: [Bad; 4] = [Bad::WrongType, Bad::NoCode, Bad::Reason, Bad::Broken];
    let tries = VALUES.into_iter().flat_map(|call| KINDS.map(|bad| (call, bad)));
    let one = |(call, bad): (ApiCall, Bad)| async move {
        let world = World::deployed(Setup { dual: true, servers: vec!["time"], lag: 0 });
        let home = tempfile::tempdir().unwrap();
        // A plan that is told why it fails is enough, but for the calls that an operation alone makes.
        let writes = matches!(call, ApiCall::PutSecretValue | ApiCall::AddUserPoolClientSecret);
        for args in COMMANDS.into_iter().filter(|args| !writes || args.contains(&"rotate")) {
            let spoilt = Spoilt { call: on_the_wire(call), after: 0, reply: bad.reply() };
            let front = Front::start(&world, Some(spoilt)).await;
            let mut command = Command::new(env!("CARGO_BIN_EXE_quarterdeck"));
            command.args(["-e", "prod", "--region", "eu-central-1", "--endpoint-url", &front.server.url]).args(args);
            command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            for name in pty::NOT_INHERITED {
                command.env_remove(name);
            }
            command.envs(pty::homes(home.path())).env("QUARTERDECK_LOG", "trace");
            command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
            let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let kept = files(home.path());
            let allowed = bad.allowed(repeatable(call.right().name));
            for (place, text) in [("stdout", &*out), ("stderr", &*err), ("a file", &kept)] {
                assert!(allowed || !text.contains(MARKER), "{call:?}, {bad:?}, {args:?}: {place}: {text}");
            }
        }
    };
    stream::iter(tries).map(one).buffer_unordered(4).collect::<Vec<()>>().await;
}

/// The Clients screen and the plan of a rotation.
#[rstest]
#[case(ApiCall::DescribeUserPoolClient, Bad::WrongType, "could not be read")]
#[case(ApiCall::GetSecretValue, Bad::WrongType, "could not be read")]
#[case(ApiCall::GetSecretValue, Bad::Words, "without a reason")]
#[tokio::test(flavor = "multi_thread")]
async fn no_screen_shows_such_an_answer(#[case] call: ApiCall, #[case] bad: Bad, #[case] told: &'static str) {
    let world = World::deployed(Setup { dual: true, servers: vec!["time"], lag: 0 });
    let front = Front::start(&world, Some(Spoilt { call: on_the_wire(call), after: 0, reply: bad.reply() })).await;
    let home = tempfile::tempdir().unwrap();
    let url = front.server.url.clone();
    let screens = tokio::task::spawn_blocking(move || {
        let args = ["-e", "prod", "--region", "eu-central-1", "--endpoint-url", &url];
        let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("QUARTERDECK_LOG", "trace")];
        let mut console = Console::start(home.path(), (160, 40), &args, keys);
        let soon = Duration::from_secs(30);
        let list = console.press_until("4", "the client", soon, |screen| screen.contains("prod-time-machine"));
        console.press_until("O", "the reason", soon, |screen| screen.contains(told));
        let plan = console.screen();
        console.press("\u{1b}q");
        [list, plan, files(home.path())]
    })
    .await
    .unwrap();
    assert!(screens.iter().all(|text| !text.contains(MARKER)), "{}", screens.join("\n"));
}
