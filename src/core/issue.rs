//! What AWS says of its own issues, as AWS Health sends it to EventBridge in every account: only its API is for accounts
//! with a support plan (AWS Health user guide, "Are you a first-time AWS Health user?").

use std::collections::{BTreeMap, BTreeSet};

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::text::{cut, sanitise};

/// An issue that AWS has said nothing about for so long is no news: AWS tells of one that goes on several times a day, and
/// its last word may never have come.
pub const SILENT: SignedDuration = SignedDuration::from_hours(24);
/// How much of AWS's words is shown, in cells.
const WORDS: usize = 400;
/// The region of what AWS says of a service that is in no region, such as CloudFront.
const GLOBAL: &str = "global";

/// One word of AWS on an issue of its own. The next word on the same issue has the same ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    pub arn: String,
    /// As AWS Health names it, such as `EC2`.
    pub service: String,
    pub part: Part,
    pub region: String,
    pub standing: Standing,
    /// When it began.
    pub since: Option<Timestamp>,
    /// When AWS said this.
    pub said: Timestamp,
    /// The zones that it names, by name or id.
    pub zones: BTreeSet<String>,
    /// AWS's words.
    pub words: String,
}

/// Whether an issue goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    Open,
    Closed,
    /// Announced, not begun. Or of a kind that nobody here knows.
    Other,
}

/// What of AWS the servers rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Hosts, networks, or several services at once: all that the servers do.
    All,
    Tasks,
    Balancer,
    Images,
    Secrets,
    Logs,
    SignIn,
    Edge,
    Quarantine,
}

impl Part {
    /// By the name of the service, as AWS Health has it; `None` for what no server needs. The documents list no names, so
    /// one that is missing here can be added without a change of the stack, whose rule takes all.
    fn of(service: &str) -> Option<Self> {
        Some(match service {
            "MULTIPLE_SERVICES" | "EC2" | "VPC" | "INTERNETCONNECTIVITY" | "IAM" => Self::All,
            "ECS" | "FARGATE" => Self::Tasks,
            "ELASTICLOADBALANCING" => Self::Balancer,
            "ECR" => Self::Images,
            "SECRETSMANAGER" | "SSM" | "KMS" => Self::Secrets,
            "CLOUDWATCH" => Self::Logs,
            "COGNITO" => Self::SignIn,
            "CLOUDFRONT" | "WAF" | "ROUTE53" => Self::Edge,
            "DYNAMODB" => Self::Quarantine,
            _ => return None,
        })
    }
}

/// The `detail` of an event of the source `aws.health` (AWS Health user guide, "Reference: AWS Health events Amazon
/// EventBridge schema").
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    event_arn: String,
    service: String,
    event_type_category: String,
    #[serde(default)]
    event_type_code: String,
    #[serde(default)]
    event_scope_code: String,
    #[serde(default)]
    communication_id: String,
    #[serde(default)]
    event_region: String,
    #[serde(default)]
    status_code: String,
    start_time: Option<String>,
    last_updated_time: Option<String>,
    #[serde(default)]
    event_description: Vec<Described>,
    #[serde(default)]
    affected_entities: Vec<Entity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(default)]
    language: String,
    #[serde(default)]
    latest_description: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    #[serde(default)]
    entity_value: String,
}

impl Detail {
    /// What tells one word of AWS from the next: it comes at least once, to the region and to another one, and in pages
    /// that differ in what they list alone (AWS Health user guide, "Viewing paginated lists of AWS Health events on
    /// EventBridge"). The number of the page stands at the end.
    pub fn id(&self) -> String {
        let word = self.communication_id.rsplit_once('-').map_or(self.communication_id.as_str(), |(word, _)| word);
        format!("{} {word}", self.event_arn)
    }

    /// The issue, if it is one of what the servers rest on. What an account is told of single resources, such as an
    /// instance that fails, is about none of a server's.
    pub fn told(&self, sent: Timestamp) -> Option<Issue> {
        let whole = self.event_scope_code == "PUBLIC" || self.event_type_code.ends_with("_OPERATIONAL_ISSUE");
        let part = Part::of(&self.service).filter(|_| self.event_type_category == "issue" && whole)?;
        let english = self.event_description.iter().find(|one| one.language.starts_with("en"));
        let words = english.or(self.event_description.first()).map_or("", |one| one.latest_description.as_str());
        let time = |text: &Option<String>| text.as_deref().and_then(moment);
        let texts = self.affected_entities.iter().map(|entity| entity.entity_value.as_str()).chain([words]);
        Some(Issue {
            arn: sanitise(&self.event_arn),
            service: sanitise(&self.service),
            part,
            region: sanitise(&self.event_region),
            standing: match self.status_code.as_str() {
                "open" => Standing::Open,
                "closed" => Standing::Closed,
                _ => Standing::Other,
            },
            since: time(&self.start_time),
            said: time(&self.last_updated_time).unwrap_or(sent),
            zones: texts.flat_map(zones).collect(),
            words: cut(&sanitise(words), WORDS),
        })
    }
}

/// Such as `Wed, 15 Feb 2023 22:07:07 GMT`.
fn moment(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).or_else(|_| text.parse()).ok()
}

/// The zones that a text names: by name, such as `eu-central-1b`, or by id, such as `euc1-az2`.
fn zones(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| is_zone(word)).map(str::to_owned)
}

fn is_zone(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((place, number)) = word.split_once("-az") {
        let region = place.trim_end_matches(|c: char| c.is_ascii_digit());
        return digits(number)
            && region.len() < place.len()
            && !region.is_empty()
            && region.bytes().all(|byte| byte.is_ascii_lowercase());
    }
    let Some((region, last)) = word.rsplit_once('-') else { return false };
    let letter = last.bytes().last().is_some_and(|byte| byte.is_ascii_lowercase());
    let number = last.get(..last.len().saturating_sub(1)).unwrap_or_default();
    letter && digits(number) && region.contains('-') && region.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

impl Issue {
    /// What it is of, in a few words.
    pub fn subject(&self) -> String {
        let of = if self.region == GLOBAL { String::new() } else { format!(" in {}", self.region) };
        let zones: Vec<&str> = self.zones.iter().map(String::as_str).collect();
        let zones = if zones.is_empty() { String::new() } else { format!(" ({})", zones.join(", ")) };
        format!("{}{of}{zones}", self.service)
    }
}

/// The issues of this region that go on, by AWS's last word on each.
pub fn open(all: &[Issue], region: &str, now: Timestamp) -> Vec<Issue> {
    let mut last: BTreeMap<&str, &Issue> = BTreeMap::new();
    for issue in all {
        let kept = last.entry(&issue.arn).or_insert(issue);
        if kept.said <= issue.said {
            *kept = issue;
        }
    }
    let here = |issue: &&&Issue| issue.region == region || issue.region == GLOBAL;
    let news = |issue: &&&Issue| issue.standing == Standing::Open && now.duration_since(issue.said) < SILENT;
    last.values().filter(here).filter(news).map(|issue| (*issue).clone()).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    /// As in the user guide, "Monitoring account-specific and public events for AWS Health".
    fn detail(more: Value) -> Value {
        let mut detail = json!({
            "eventArn": "arn:aws:health:eu-central-1::event/EC2/AWS_EC2_OPERATIONAL_ISSUE/1",
            "service": "EC2",
            "eventTypeCode": "AWS_EC2_OPERATIONAL_ISSUE",
            "eventTypeCategory": "issue",
            "eventScopeCode": "PUBLIC",
            "communicationId": "01b0993207d81a09dcd552ebd1e633e36cf1f09a-1",
            "startTime": "Wed, 15 Feb 2023 22:07:07 GMT",
            "lastUpdatedTime": "Wed, 15 Feb 2023 22:30:00 GMT",
            "statusCode": "open",
            "eventRegion": "eu-central-1",
            "eventDescription": [
                { "language": "de_DE", "latestDescription": "Fehler" },
                { "language": "en_US", "latestDescription": "Increased error rates in euc1-az2\u{1b}[2J." },
            ],
            "affectedEntities": [],
        });
        let (Value::Object(detail_), Value::Object(more)) = (&mut detail, more) else { panic!("no object") };
        detail_.extend(more);
        detail
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn told(more: Value) -> Option<Issue> {
        serde_json::from_value::<Detail>(detail(more)).unwrap().told(at("2023-02-15T22:31:00Z"))
    }

    #[test]
    fn the_issue_of_the_user_guide_is_read() {
        let issue = told(json!({})).unwrap();
        assert_eq!((issue.part, issue.standing), (Part::All, Standing::Open));
        assert_eq!(issue.since, Some(at("2023-02-15T22:07:07Z")));
        assert_eq!(issue.said, at("2023-02-15T22:30:00Z"));
        assert_eq!(issue.subject(), "EC2 in eu-central-1 (euc1-az2)");
        assert_eq!(issue.words, "Increased error rates in euc1-az2.");
    }

    #[rstest]
    #[case::no_issue(json!({ "eventTypeCategory": "scheduledChange" }), None)]
    #[case::of_what_no_server_needs(json!({ "service": "SAGEMAKER" }), None)]
    #[case::of_an_instance(json!({ "eventScopeCode": "ACCOUNT_SPECIFIC", "eventTypeCode": "AWS_EC2_INSTANCE_STORE_DRIVE_PERFORMANCE_DEGRADED" }), None)]
    #[case::of_the_account(json!({ "eventScopeCode": "ACCOUNT_SPECIFIC" }), Some(Standing::Open))]
    #[case::closed(json!({ "statusCode": "closed" }), Some(Standing::Closed))]
    #[case::upcoming(json!({ "statusCode": "upcoming" }), Some(Standing::Other))]
    #[case::a_word_of_tomorrow(json!({ "statusCode": "maybe", "startTime": "soon", "eventDescription": [] }), Some(Standing::Other))]
    fn what_counts_as_an_issue(#[case] more: Value, #[case] expected: Option<Standing>) {
        assert_eq!(told(more).map(|issue| issue.standing), expected);
    }

    #[rstest]
    #[case("in eu-central-1b, and us-gov-west-1a.", &["eu-central-1b", "us-gov-west-1a"])]
    #[case("(use1-az4/USE1-AZ5) apne1-az1", &["use1-az4", "apne1-az1"])]
    #[case("eu-central-1 a-az1 eu-central-b 1-az1 -az1 x-1a euc1-az EU-CENTRAL-1a é-1b ", &[])]
    fn zones_are_found_in_words(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(zones(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn zones_come_from_what_is_affected_too() {
        let issue = told(json!({ "affectedEntities": [{ "entityValue": "eu-central-1a" }, {}] })).unwrap();
        assert_eq!(issue.subject(), "EC2 in eu-central-1 (eu-central-1a, euc1-az2)");
    }

    #[rstest]
    #[case::open(&[("open", 0)], 10, true)]
    #[case::closed_since(&[("open", 0), ("closed", 5)], 10, false)]
    #[case::in_whatever_order_it_comes(&[("closed", 5), ("open", 0)], 10, false)]
    #[case::open_again(&[("closed", 0), ("open", 5)], 10, true)]
    #[case::nothing_said_for_a_day(&[("open", 0)], 24 * 60, false)]
    fn the_last_word_counts(#[case] words: &[(&str, i64)], #[case] minutes: i64, #[case] expected: bool) {
        let begin = at("2023-02-15T22:00:00Z");
        let word = |(status, minutes): &(&str, i64)| Issue {
            said: begin + SignedDuration::from_mins(*minutes),
            ..told(json!({ "statusCode": status })).unwrap()
        };
        let all: Vec<Issue> = words.iter().map(word).collect();
        let now = begin + SignedDuration::from_mins(minutes);
        assert_eq!(open(&all, "eu-central-1", now).len(), usize::from(expected));
        assert_eq!(open(&all, "eu-west-1", now), [], "another region's is not ours");
    }

    #[test]
    fn pages_of_one_word_are_one_word() {
        let id =
            |page: &str| serde_json::from_value::<Detail>(detail(json!({ "communicationId": page }))).unwrap().id();
        assert_eq!(id("abc-1"), id("abc-2"));
        assert_ne!(id("abc-1"), id("abd-1"));
    }
}
