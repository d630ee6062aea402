use super::*;
use crate::core::trial::{Listed, Trial};
use rstest::rstest;

fn digest(text: &str) -> String {
    format!("d{}", text.len())
}

fn trial(memory: &str) -> Trial {
    let parameters = [
        ("ServerName", "files"),
        ("App", r#"{"transport":"stdio"}"#),
        ("SecretA", "API_KEY arn:x"),
        ("Memory", memory),
    ];
    Trial::of(&parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into()).unwrap().0
}

fn answered(listed: &[(&str, bool)], memory_mib: Option<u64>) -> Tried {
    let tools = listed.iter().map(|(name, reads)| Listed { name: (*name).to_owned(), reads: *reads }).collect();
    Tried::Answered(Answered { revision: "2025-06-18".into(), tools, memory_mib, answered_ms: 812 })
}

fn told(tools: &str, tried: Tried, before: Option<&str>) -> ServerTrial {
    let before = before.map(|text| Kept::read(text).unwrap());
    let tools: Tools = serde_json::from_str(tools).unwrap();
    ServerTrial::of(&trial("512"), &tools, tried, before.as_ref(), digest)
}

/// A server that wants its key may not take a placeholder for one.
#[test]
fn what_a_server_did_without_is_told_and_may_be_why_it_failed() {
    let lines = |tried, unread: Option<&str>| {
        let trial = Trial { unread: unread.map(str::to_owned), ..trial("512") };
        let told = ServerTrial::of(&trial, &Tools::default(), tried, None, digest);
        told.lines().into_iter().skip(1).map(|(_, line)| line).collect::<Vec<_>>()
    };
    let failed = || Tried::Failed { why: "it ended with exit code 1".into(), said: Vec::new() };
    assert_eq!(lines(failed(), None), ["  with a placeholder for API_KEY, which may be why"]);
    let unread = "  without what `quarterdeck secret set` has set, which may be why: denied";
    assert_eq!(lines(failed(), Some("denied"))[1], unread);
    let fine = lines(answered(&[], None), Some("denied"));
    assert_eq!(
        fine[1..],
        ["  with a placeholder for API_KEY", "  without what `quarterdeck secret set` has set: denied"]
    );
    assert!(lines(Tried::NotTried("no engine".into()), Some("denied")).is_empty());
}

fn text(trial: &ServerTrial) -> String {
    trial.lines().into_iter().map(|(_, line)| line + "\n").collect()
}

#[rstest]
#[case::first(None, "  no earlier deploy has kept its tools\n", &[])]
#[case::the_same(Some(r#"{"of":"a","ms":1,"r":["get"],"w":["set"]}"#), "  the same tools as at the last deploy\n", &[])]
#[case::added(Some(r#"{"of":"a","ms":1,"r":["get"]}"#), "  new since the last deploy: set\n", &[])]
#[case::vanished(
    Some(r#"{"of":"a","ms":1,"r":["get","old"],"w":["set"]}"#),
    "  gone since the last deploy: old\n",
    &["files: gone since the last deploy: old; calls of it will fail"]
)]
#[case::needs_less(
    Some(r#"{"of":"a","ms":1,"w":["set","get"]}"#),
    "  get needs read now: until now it needed write, and a token with read alone may use it\n",
    &["files: get needs read now: until now it needed write, and a token with read alone may use it"]
)]
#[case::needs_more(
    Some(r#"{"of":"a","ms":1,"r":["set","get"]}"#),
    "  set needs write now: until now read was enough, and a token without write gets 403\n",
    &["files: set needs write now: until now read was enough, and a token without write gets 403"]
)]
#[case::no_more_hidden(
    Some(r#"{"of":"a","ms":1,"r":["get"],"h":["set"]}"#),
    "  set needs write now: until now it was hidden\n",
    &["files: set needs write now: until now it was hidden"]
)]
#[case::too_many(
    Some(r#"{"of":"a","ms":1,"n":400,"sha256":"x"}"#),
    "  not the same as at the last deploy, which had 400 tools, too many to keep their names\n",
    &[]
)]
#[case::too_many_and_the_same(
    Some(r#"{"of":"a","ms":1,"n":2,"sha256":"d28"}"#),
    "  the same tools as at the last deploy\n",
    &[]
)]
fn a_list_is_compared_with_that_of_the_last_deploy(
    #[case] before: Option<&str>,
    #[case] said: &str,
    #[case] warnings: &[&str],
) {
    let told = told("{}", answered(&[("get", true), ("set", false)], Some(78)), before);
    let expected = format!(
        "files: 2 tools after 812ms, 78 of 512 MiB after its start, revision 2025-06-18\n  read    get\n  write   set\n\
         {said}  with a placeholder for API_KEY\n"
    );
    assert_eq!(text(&told), expected);
    assert_eq!(told.warnings(), warnings);
}

#[test]
fn four_values_are_never_one() {
    let said = vec!["KeyError: 'API_KEY'".to_owned()];
    let outcomes = [
        answered(&[], None),
        Tried::NotTried("there is no container engine".into()),
        Tried::Failed { why: "it ended with exit code 1".into(), said: said.clone() },
        Tried::Unknown { why: "no answer in 60 s".into(), said },
    ];
    let told = outcomes.map(|tried| told("{}", tried, None));
    let words = told.each_ref().map(|told| serde_json::to_value(told).unwrap()["result"].as_str().unwrap().to_owned());
    assert_eq!(words, ["fine", "not-tried", "failed", "unknown"]);
    let first = told.each_ref().map(|told| told.lines().remove(0).1);
    assert_eq!(
        first,
        [
            "files: 0 tools after 812ms, memory not measured, 512 MiB for its task, revision 2025-06-18",
            "files: not tried: there is no container engine",
            "files: failed here: it ended with exit code 1",
            "files: not known: no answer in 60 s",
        ]
    );
    let warned = told.each_ref().map(|told| told.warnings().len());
    assert_eq!(warned, [0, 0, 1, 0]);
    let warning = told[2].warnings().remove(0);
    assert!(
        warning.contains("placeholders for API_KEY") && warning.ends_with("its last line: KeyError: 'API_KEY'"),
        "{warning}"
    );
    assert!(told.iter().skip(1).all(|told| told.to_keep("x", digest).is_none()));
    for told in &told {
        let text = serde_json::to_string(told).unwrap();
        assert_eq!(&serde_json::from_str::<ServerTrial>(&text).unwrap(), told, "{text}");
    }
}

#[test]
fn what_is_kept_is_shown_as_kept_and_is_not_kept_again() {
    let first = told(r#"{"hidden":["raw"]}"#, answered(&[("raw", true), ("get", true)], Some(78)), None);
    let text = first.to_keep("of", digest).unwrap();
    assert_eq!(text, r#"{"of":"of","mib":78,"ms":812,"r":["get"],"h":["raw"]}"#);
    let again = ServerTrial::kept(&trial("512"), &Kept::read(&text).unwrap());
    let line = again.lines().remove(0).1;
    assert_eq!(
        line,
        "files: as kept from the last deploy, of the same image and settings: 2 tools after 812ms, 78 of 512 MiB after its start"
    );
    assert_eq!(again.to_keep("of", digest), None);
}

#[rstest]
#[case(409, 0)]
#[case(410, 1)]
fn little_memory_that_is_left_is_a_warning(#[case] used: u64, #[case] warned: usize) {
    assert_eq!(told("{}", answered(&[], Some(used)), None).warnings().len(), warned);
}

/// Each caller may have a process of its own, and one more says who the server is.
#[rstest]
#[case::shared(r#"{"transport":"stdio","sessions":"shared","processes":8}"#, 1)]
#[case::over_http(r#"{"transport":"http","port":3000,"sessions":"per-caller","processes":8}"#, 1)]
#[case::of_callers(r#"{"transport":"stdio","sessions":"per-caller","processes":8}"#, 9)]
#[case::of_requests(r#"{"transport":"stdio","sessions":"per-request"}"#, 5)]
fn every_process_takes_memory(#[case] app: &str, #[case] processes: u64) {
    let parameters = [("ServerName", "files"), ("App", app), ("Memory", "512")];
    let (trial, tools) = Trial::of(&parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into()).unwrap();
    assert_eq!(trial.processes, processes);
    let warnings = |used| ServerTrial::of(&trial, &tools, answered(&[], Some(used)), None, digest).warnings();
    let most = 409 / processes;
    assert!(warnings(most).is_empty());
    let warned = warnings(most + 1);
    assert_eq!(warned.len(), 1);
    assert_eq!(warned[0].contains(&format!("up to {processes} processes")), processes > 1, "{warned:?}");
}

#[test]
fn a_name_is_shown_so_that_it_cannot_pass_for_another() {
    let names = [("a, b", true), ("x\u{1b}[31m\u{202e}y", true), ("", false), ("plain/1.0", true)];
    let told = told("{}", answered(&names, None), None);
    let Outcome::Fine(fine) = &told.outcome else { panic!("{told:?}") };
    let names: Vec<&String> = fine.tools.as_ref().unwrap().keys().collect();
    assert_eq!(names, ["\"\"", "\"a, b\"", "\"xy\"", "plain/1.0"]);
    // Of two that look the same the one counts that asks for more.
    let twins = [("x\u{1}y", false), ("x\u{2}y", true)];
    for twins in [twins, [twins[1], twins[0]]] {
        let told = self::told("{}", answered(&twins, None), None);
        let Outcome::Fine(fine) = &told.outcome else { panic!("{told:?}") };
        assert_eq!(fine.tools, Some([("\"xy\"".to_owned(), Scope::Write)].into()));
    }
}
