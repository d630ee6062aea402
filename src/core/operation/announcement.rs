//! What operators who share an environment are told of each other's operations: a tag on its ECS cluster.
//!
//! Every machine has an audit of its own, which nobody else can read; the cluster can be read by all. An
//! announcement is a hint, never a lock: it may be missing where the caller may not write tags, and it may
//! be left where a process was killed.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Intent;
use super::rescue::{CancelUpdate, ContinueRollback};
use crate::core::plan::Plan;
use crate::core::quarantine::Who;
use crate::core::text::age;

/// How the keys of our tags begin; the operation's id follows.
const KEY: &str = "quarterdeck:operation:";
/// The longest value of a tag, in characters (ECS API reference, Tag).
const LONGEST: usize = 256;
/// What the caller's ARN gets at least of a value, so that a long name does not leave an operation without
/// anybody who is to be asked.
const CALLER: usize = 64;
/// The value's word for [`About::Environment`]: a `*` is not allowed in a tag.
const ENVIRONMENT: &str = "environment";
/// After so long, an operation that has no grace period to wait for was probably left unfinished.
const LONG: SignedDuration = SignedDuration::from_mins(30);

/// What an operation is about, as far as others need to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum About {
    /// All of it.
    Environment,
    /// One server, by its name.
    Server(String),
    /// A client that no server's secret belongs to, by its name.
    Client(String),
    /// Somebody who can sign in, as Cognito knows them.
    User(String),
}

impl About {
    /// Whether an operation about this and one about the other may meet.
    pub fn touches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Environment, _) | (_, Self::Environment) => true,
            (Self::Server(one), Self::Server(other))
            | (Self::Client(one), Self::Client(other))
            | (Self::User(one), Self::User(other)) => {
                // One of both may have been read from a tag, which holds not every character.
                allowed(one) == allowed(other)
            }
            (Self::Server(_) | Self::Client(_) | Self::User(_), _) => false,
        }
    }

    /// In words; `environment` is the name of the present one.
    fn name(&self, environment: &str) -> String {
        match self {
            Self::Environment => environment.to_owned(),
            Self::Server(name) => name.clone(),
            Self::Client(name) => format!("client {name}"),
            Self::User(name) => format!("user {name}"),
        }
    }
}

impl Intent {
    /// What it is about, for those who see it from outside.
    pub fn about(&self) -> About {
        self.touched().into_iter().next().unwrap_or(About::Environment)
    }

    /// Everything that it is about, the most important first. An announcement has room for one alone.
    pub fn touched(&self) -> Vec<About> {
        let server = |name: &String| About::Server(name.clone());
        let rotation = match self {
            Self::Scale(scale) => return vec![server(&scale.service.service)],
            Self::Restart(restart) => return vec![server(&restart.service.service)],
            Self::Rollback(rollback) => return vec![server(&rollback.service.service)],
            // Whose task it is may not be known; then it may be anybody's.
            Self::StopTask(stop) => return vec![stop.service.as_ref().map_or(About::Environment, server)],
            Self::StopDeployment(stop) => return vec![server(&stop.service.service)],
            Self::CancelUpdate(CancelUpdate { server: of, .. })
            | Self::ContinueRollback(ContinueRollback { server: of, .. }) => {
                return vec![of.as_ref().map_or(About::Environment, server)];
            }
            Self::SetSecret(set) => return vec![server(&set.server)],
            Self::ChangeUser(change) => return vec![About::User(change.user.clone())],
            Self::Quarantine(change) => {
                return vec![match &change.who {
                    Who::Client(id) => About::Client(id.clone()),
                    Who::Subject(sub) => About::User(sub.clone()),
                }];
            }
            Self::Publish(publish) => return publish.images.iter().map(|image| server(&image.server)).collect(),
            Self::Deploy(_) | Self::Destroy(_) | Self::ZonalShift(_) => return vec![About::Environment],
            Self::Rotate(rotation) => rotation,
            Self::UndoRotation(undo) => &undo.rotation,
        };
        let consumers = rotation.consumers.iter().map(|consumer| server(&consumer.service.service));
        consumers.chain([About::Client(rotation.name.clone())]).collect()
    }
}

/// An operation that runs, or that was left unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Announcement {
    /// Its id.
    pub operation: String,
    /// As [`Intent::verb`]; a later version may know others.
    pub verb: String,
    pub about: About,
    /// When it was confirmed, in whole seconds.
    pub since: Timestamp,
    /// ARN of the caller.
    pub by: String,
}

/// A tag of ours, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    Clear(Announcement),
    /// Its value is not understood: it is of another version, or somebody has changed it. There is an
    /// operation all the same, and it may be about anything.
    Unclear {
        operation: String,
        /// The value.
        text: String,
    },
}

/// The session or the user at the end of an ARN.
pub fn who(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

/// The key of the tag of an operation.
pub fn key(operation: &str) -> String {
    format!("{KEY}{}", word(operation))
}

impl Announcement {
    /// The announcement of a plan that was confirmed.
    pub fn of(plan: &Plan, since: Timestamp) -> Self {
        Self {
            operation: plan.id.clone(),
            verb: plan.intent.verb().to_owned(),
            about: plan.intent.about(),
            since,
            by: plan.target.caller.clone(),
        }
    }

    /// The value of its tag: since, verb, what it is about, and the caller. Only what it is about may
    /// contain a space.
    pub fn value(&self) -> String {
        let head = format!("{} {}", self.since.strftime("%Y-%m-%dT%H:%M:%SZ"), word(&self.verb));
        let room = LONGEST.saturating_sub(head.len() + 2);
        let about = match &self.about {
            About::Environment => ENVIRONMENT.to_owned(),
            About::Server(name) => format!("server/{}", allowed(name)),
            About::Client(name) => format!("client/{}", allowed(name)),
            About::User(name) => format!("user/{}", allowed(name)),
        };
        // A name that was cut would be another's. Who is told of the whole environment is careful enough.
        let about = if about.len() + CALLER > room { ENVIRONMENT.to_owned() } else { about };
        let by = word(&self.by);
        // Who it is stands at the end of an ARN.
        let by = &by[by.len().saturating_sub(room.saturating_sub(about.len()))..];
        format!("{head} {about} {by}")
    }

    /// Who works on it: the session or the user at the end of the ARN.
    pub fn who(&self) -> &str {
        who(&self.by)
    }

    /// What is done, such as `restarts time`; `environment` is the name of the present one.
    fn deed(&self, environment: &str) -> String {
        let about = self.about.name(environment);
        match self.verb.as_str() {
            "scale" => format!("scales {about}"),
            "restart" => format!("restarts {about}"),
            "rollback" => format!("rolls {about} back"),
            "stop" => format!("stops a task of {about}"),
            "stop-deployment" => format!("stops the deployment of {about}"),
            "cancel-update" => format!("cancels the update of {about}"),
            "continue-rollback" => format!("continues the rollback of {about}"),
            "deploy" => format!("deploys {about}"),
            "destroy" => format!("destroys {about}"),
            "publish" => format!("publishes the image of {about}"),
            "rotate" => format!("rotates the secret of {about}"),
            "undo-rotation" => format!("takes back the rotation of {about}"),
            "set-secret" => format!("sets a secret of {about}"),
            "sign-out" => format!("signs {about} out"),
            "disable-user" => format!("disables {about}"),
            "enable-user" => format!("enables {about}"),
            "quarantine" => format!("keeps {about} out"),
            "zonal-shift" => format!("takes a zone of {about} out"),
            "cancel-zonal-shift" => format!("lets a zone of {about} in again"),
            "lift-quarantine" => format!("lets {about} in again"),
            other => format!("does {other:?} to {about}"),
        }
    }

    /// Whether it takes longer than it should. A rotation waits for its grace period.
    fn long(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) > LONG && self.verb != "rotate"
    }
}

impl Announced {
    /// What a tag announces; `None` for a tag that is not ours.
    pub fn read(key: &str, value: &str) -> Option<Self> {
        let operation = key.strip_prefix(KEY)?.to_owned();
        Some(match parsed(&operation, value) {
            Some(announcement) => Self::Clear(announcement),
            None => Self::Unclear { operation, text: value.to_owned() },
        })
    }

    /// The id of the operation.
    pub fn operation(&self) -> &str {
        match self {
            Self::Clear(announcement) => &announcement.operation,
            Self::Unclear { operation, .. } => operation,
        }
    }

    /// Whether it may meet an operation that is about these.
    pub fn touches(&self, those: &[About]) -> bool {
        match self {
            Self::Clear(announcement) => those.iter().any(|about| announcement.about.touches(about)),
            Self::Unclear { .. } => true,
        }
    }

    /// Who does what for how long, in words; `environment` is the name of the present one.
    pub fn told(&self, environment: &str, now: Timestamp) -> String {
        match self {
            Self::Clear(one) => {
                let left = if one.long(now) { ", unfinished?" } else { "" };
                format!("{} {} for {}{left}", one.who(), one.deed(environment), age(now, one.since))
            }
            Self::Unclear { operation, text } => format!("{operation}: {text:?} is not understood"),
        }
    }

    /// Who does what since when, in words that stay true: for a plan, which is kept.
    pub fn noted(&self, environment: &str) -> String {
        match self {
            Self::Clear(one) => {
                let Announcement { operation, since, .. } = one;
                format!("{} {} ({operation}, since {since})", one.who(), one.deed(environment))
            }
            Self::Unclear { operation, text } => format!("somebody works on {operation}: {text:?} is not understood"),
        }
    }
}

fn parsed(operation: &str, value: &str) -> Option<Announcement> {
    let mut parts = value.splitn(3, ' ');
    let (since, verb, rest) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let (about, by) = rest.rsplit_once(' ')?;
    let named = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    let about = match about.split_once('/') {
        None if about == ENVIRONMENT => About::Environment,
        Some(("server", name)) => About::Server(named(name)?),
        Some(("client", name)) => About::Client(named(name)?),
        Some(("user", name)) => About::User(named(name)?),
        _ => return None,
    };
    Some(Announcement { operation: operation.to_owned(), verb: named(verb)?, about, since, by: named(by)? })
}

/// The text with an underscore for each character that a tag of ECS must not hold (ECS API reference, Tag).
/// ECS allows letters of every script; those of ASCII alone make a length of bytes one of characters.
fn allowed(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c);
    text.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

/// The same without a space, and never empty, so that it is one of the parts of a value.
fn word(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { allowed(text).replace(' ', "_") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::operation::Facts;
    use crate::core::operation::deploy::{Deploy, Destroy};
    use crate::core::operation::rotate::{Consumer, Rotation, Strategy, UndoRotation};
    use crate::core::operation::service::{Restart, Rollback, Scale, ServiceRef, StopTask};
    use proptest::prelude::*;
    use rstest::rstest;

    const ID: &str = "qd-20260131-030000-89abcdef";
    const ALICE: &str = "arn:aws:sts::123456789012:assumed-role/operator/alice";

    fn announcement(verb: &str, about: About, by: &str) -> Announcement {
        let since = "2026-01-31T03:00:00Z".parse().unwrap();
        Announcement { operation: ID.into(), verb: verb.into(), about, since, by: by.into() }
    }

    fn server(name: &str) -> About {
        About::Server(name.into())
    }

    #[rstest]
    #[case::a_server(
        announcement("restart", server("time"), ALICE),
        "2026-01-31T03:00:00Z restart server/time arn:aws:sts::123456789012:assumed-role/operator/alice"
    )]
    #[case::all_of_it(
        announcement("deploy", About::Environment, "arn:aws:iam::123456789012:user/bob@example.com"),
        "2026-01-31T03:00:00Z deploy environment arn:aws:iam::123456789012:user/bob@example.com"
    )]
    #[case::a_server_of_that_name(
        announcement("scale", server("environment"), "a"),
        "2026-01-31T03:00:00Z scale server/environment a"
    )]
    #[case::a_client_with_spaces(announcement("rotate", About::Client("prod  time/machine ".into()), "a"),
        "2026-01-31T03:00:00Z rotate client/prod  time/machine  a")]
    #[case::somebody(announcement("sign-out", About::User("anna@example.com".into()), "a"),
        "2026-01-31T03:00:00Z sign-out user/anna@example.com a")]
    fn a_tag_says_it_and_is_read_back(#[case] announcement: Announcement, #[case] value: &str) {
        assert_eq!(announcement.value(), value);
        assert_eq!(key(ID), "quarterdeck:operation:qd-20260131-030000-89abcdef");
        assert_eq!(Announced::read(&key(ID), value), Some(Announced::Clear(announcement)));
    }

    #[rstest]
    #[case::characters_outside_the_set(announcement("rotate", About::Client("a,b*ü".into()), "arn:aws:iam::1:user/o'neil, jr"),
        "2026-01-31T03:00:00Z rotate client/a_b__ arn:aws:iam::1:user/o_neil__jr")]
    #[case::nobody(announcement("stop", About::Environment, ""), "2026-01-31T03:00:00Z stop environment -")]
    fn what_a_tag_cannot_hold_is_replaced(#[case] announcement: Announcement, #[case] value: &str) {
        assert_eq!(announcement.value(), value);
        assert!(matches!(Announced::read(&key(ID), value), Some(Announced::Clear(_))));
    }

    #[test]
    fn a_long_caller_keeps_its_end_and_a_long_name_becomes_the_whole_environment() {
        let long = announcement("scale", server("time"), &format!("arn:aws:iam::1:user/{}/alice", "p".repeat(400)));
        let Some(Announced::Clear(read)) = Announced::read(&key(ID), &long.value()) else { panic!("{long:?}") };
        assert_eq!((long.value().len(), read.who(), &read.about), (LONGEST, "alice", &long.about));
        let long = announcement("scale", server(&"s".repeat(255)), ALICE);
        let Some(Announced::Clear(read)) = Announced::read(&key(ID), &long.value()) else { panic!("{long:?}") };
        assert_eq!((read.who(), &read.about), ("alice", &About::Environment));
    }

    #[rstest]
    #[case::empty("")]
    #[case::changed_by_hand("leave me alone")]
    #[case::no_time("yesterday restart server/time a")]
    #[case::no_caller("2026-01-31T03:00:00Z restart server/time")]
    #[case::no_name("2026-01-31T03:00:00Z restart server/ a")]
    #[case::about_something_new("2026-01-31T03:00:00Z restart planet/earth a")]
    #[case::no_verb("2026-01-31T03:00:00Z  server/time a")]
    fn a_value_that_is_not_understood_is_kept(#[case] text: &str) {
        let read = Announced::read(&key(ID), text).unwrap();
        assert_eq!(read, Announced::Unclear { operation: ID.into(), text: text.into() });
        assert!(read.touches(&[server("time")]) && read.touches(&[About::Client("a".into())]));
        let told = [read.told("prod", Timestamp::UNIX_EPOCH), read.noted("prod")];
        assert!(told.iter().all(|told| told.contains(ID) && told.contains(text)), "{told:?}");
    }

    #[rstest]
    #[case("aws:cloudformation:stack-name")]
    #[case("quarterdeck:environment")]
    #[case("quarterdeck:operations:x")]
    fn a_tag_of_others_is_none(#[case] key: &str) {
        assert_eq!(Announced::read(key, "2026-01-31T03:00:00Z restart server/time a"), None);
    }

    #[rstest]
    #[case::one_server(server("time"), server("time"), true)]
    #[case::two_servers(server("time"), server("weather"), false)]
    #[case::all(server("time"), About::Environment, true)]
    #[case::all_twice(About::Environment, About::Environment, true)]
    #[case::a_client_and_all(About::Client("a".into()), About::Environment, true)]
    #[case::a_client_as_a_tag_holds_it(About::Client("a, b".into()), About::Client("a_ b".into()), true)]
    #[case::a_client_of_a_servers_name(About::Client("time".into()), server("time"), false)]
    fn operations_meet_on_the_same_thing(#[case] one: About, #[case] other: About, #[case] meet: bool) {
        assert_eq!((one.touches(&other), other.touches(&one)), (meet, meet));
    }

    #[rstest]
    #[case("scale", server("time"), 62, "alice scales time for 1m02s")]
    #[case("rollback", server("time"), 1, "alice rolls time back for 1s")]
    #[case("stop", server("time"), -5, "alice stops a task of time for 0s")]
    #[case("deploy", About::Environment, 1_860, "alice deploys prod for 31m00s, unfinished?")]
    #[case("rotate", About::Client("c".into()), 7_200, "alice rotates the secret of client c for 2h00m")]
    #[case("disable-user", About::User("anna".into()), 3, "alice disables user anna for 3s")]
    #[case("quarantine", About::Client("c".into()), 3, "alice keeps client c out for 3s")]
    #[case("zonal-shift", About::Environment, 3, "alice takes a zone of prod out for 3s")]
    #[case("cancel-zonal-shift", About::Environment, 3, "alice lets a zone of prod in again for 3s")]
    #[case("lift-quarantine", About::User("anna".into()), 3, "alice lets user anna in again for 3s")]
    #[case("repaint", server("time"), 3, "alice does \"repaint\" to time for 3s")]
    fn it_is_told_in_words(#[case] verb: &str, #[case] about: About, #[case] after: i64, #[case] words: &str) {
        let one = announcement(verb, about, ALICE);
        let now = one.since + SignedDuration::from_secs(after);
        assert_eq!(Announced::Clear(one).told("prod", now), words);
    }

    #[rstest]
    #[case(ALICE, "alice")]
    #[case("arn:aws:iam::123456789012:user/path/bob", "bob")]
    #[case("arn:aws:iam::123456789012:root", "root")]
    #[case("", "")]
    fn who_it_is_stands_at_the_end_of_the_arn(#[case] by: &str, #[case] who: &str) {
        assert_eq!(announcement("scale", About::Environment, by).who(), who);
    }

    #[test]
    fn every_intent_is_about_something() {
        let service = || ServiceRef { cluster: "c".into(), service: "time".into() };
        let rotation = |consumers: &[&str]| Rotation {
            pool: String::new(),
            client: "id".into(),
            name: "machine".into(),
            secret: String::new(),
            endpoint: String::new(),
            scopes: Vec::new(),
            strategy: Strategy::DualSecret { old_secret: String::new() },
            consumers: consumers
                .iter()
                .map(|name| {
                    let service = ServiceRef { cluster: "c".into(), service: (*name).into() };
                    Consumer { service, deployment: None, url: None }
                })
                .collect(),
            grace_seconds: 0,
            by: None,
            current: None,
            takes_over: None,
            left_clients: Vec::new(),
            left_secret: None,
            accept: Vec::new(),
        };
        let stop = |service: Option<&str>| {
            let service = service.map(str::to_owned);
            Intent::StopTask(StopTask { cluster: "c".into(), service, task: "t".into() })
        };
        let undo =
            UndoRotation { rotation: rotation(&["docs"]), operation: "op".into(), learnt: Facts::new(), by: None };
        let cases = [
            (
                Intent::Scale(Scale { service: service(), desired: None, from: None, bounds: None, bounds_from: None }),
                server("time"),
            ),
            (Intent::Restart(Restart { service: service(), replaces: None }), server("time")),
            (
                Intent::Rollback(Rollback { service: service(), task_definition: String::new(), replaces: None }),
                server("time"),
            ),
            (stop(Some("time")), server("time")),
            (stop(None), About::Environment),
            (Intent::Deploy(Deploy { environment: "prod".into(), ..Deploy::default() }), About::Environment),
            (Intent::Destroy(Destroy { environment: "prod".into(), ..Destroy::default() }), About::Environment),
            (Intent::Rotate(rotation(&["time", "docs"])), server("time")),
            (Intent::Rotate(rotation(&[])), About::Client("machine".into())),
            (Intent::UndoRotation(undo), server("docs")),
        ];
        for (intent, about) in cases {
            assert_eq!(intent.about(), about, "{}", intent.verb());
        }
        let all = Intent::Rotate(rotation(&["time", "docs"])).touched();
        assert_eq!(all, [server("time"), server("docs"), About::Client("machine".into())]);
    }

    proptest! {
        /// Whatever a name or an ARN holds, ECS takes the tag and it is understood again.
        #[test]
        fn every_announcement_is_a_valid_tag(verb in ".*", name in ".*", by in ".*", kind in 0..3) {
            let about = match kind {
                0 => About::Environment,
                1 => About::Server(format!("x{name}")),
                _ => About::Client(format!("x{name}")),
            };
            let value = announcement(&verb, about, &by).value();
            prop_assert!(value.chars().count() <= LONGEST && value == allowed(&value), "{value:?}");
            let read = Announced::read(&key(ID), &value);
            prop_assert!(matches!(read, Some(Announced::Clear(_))), "{read:?}");
        }
    }
}
