use rstest::rstest;

use super::*;
use crate::core::environment::Environment;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn alarm(name: &str, dimensions: &[(&str, &str)]) -> Alarm {
    Alarm {
        name: name.into(),
        description: String::new(),
        state: AlarmState::Ok,
        reason: String::new(),
        since: None,
        metric: "HTTPCode_Target_5XX_Count".into(),
        dimensions: dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

#[test]
fn the_names_of_a_load_balancer_are_those_that_the_servers_own_alarm_watches() {
    let of = |server: &'static str| [("LoadBalancer", "app/prod/1"), ("TargetGroup", server)].to_vec();
    let alarms = [
        alarm("quarterdeck-prod-times-5xx", &of("targetgroup/times/2")),
        alarm("quarterdeck-prod-time-5xx", &of("targetgroup/time/2")),
    ];
    let place = Place::of("time", "arn:aws:ecs:eu-west-1:1:cluster/prod", Some("prod"), &alarms);
    assert_eq!(place.cluster, "prod");
    assert_eq!(place.balancer, Some(("app/prod/1".into(), "targetgroup/time/2".into())));
    assert_eq!(Place::of("weather", "prod", Some("prod"), &alarms).balancer, None);
    assert_eq!(Place::of("time", "prod", None, &alarms).balancer, None, "an alarm of an environment of ours");
}

#[rstest]
#[case::all_is_known(Some("prod"), true, 10)]
#[case::no_load_balancer(Some("prod"), false, 5)]
#[case::not_ours(None, false, 2)]
fn what_cannot_be_asked_for_is_not_asked_for(
    #[case] environment: Option<&str>,
    #[case] known: bool,
    #[case] asked: usize,
) {
    let place = Place {
        server: "time".into(),
        cluster: "c".into(),
        environment: environment.map(str::to_owned),
        balancer: known.then(|| ("app/a/1".into(), "targetgroup/t/2".into())),
    };
    let tools = queries(std::slice::from_ref(&place), Detail::Tools);
    let by_tool = tools.iter().filter(|(_, wanted, query)| matches!(wanted, Wanted::Tools(_)) && query.is_ok()).count();
    assert_eq!(by_tool, if environment.is_some() { 3 } else { 0 });
    let all = queries(&[place], Detail::Servers);
    assert_eq!((all.len(), all.iter().filter(|(_, _, query)| query.is_ok()).count()), (Measure::ALL.len(), asked));
    let mut seen: Vec<_> =
        all.iter().filter_map(|(_, _, query)| query.as_ref().ok()).map(|one| format!("{one:?}")).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), asked, "no series twice: each costs");
}

#[test]
fn minutes_tell_no_data_from_zero() {
    let series = Series { points: vec![(at(0), 3.0), (at(60), 0.0), (at(180), 5.0)] };
    assert_eq!(series.minutes(4, at(250)), [Some(3.0), Some(0.0), None, Some(5.0)]);
    assert_eq!(series.minutes(2, at(1_000)), [None, None]);
    assert_eq!(
        (series.sum_since(at(60)), series.most_since(at(60)), series.mean_since(at(60))),
        (5.0, Some(5.0), Some(2.5))
    );
    assert_eq!((Series::default().most_since(at(0)), Series::default().last()), (None, None));
}

#[test]
fn the_price_follows_what_was_asked_for() {
    let measured = Measured {
        alarms: Read::Known(Vec::new()),
        servers: BTreeMap::new(),
        firewall: Read::Known(Blocked::new()),
        edge: Read::Known(Edge::new()),
        behind: Read::Known(Series::default()),
        asked: 9,
    };
    // $0.01 for 1,000 series, once a minute.
    assert!((measured.dollars_a_day() - 0.1296).abs() < 1e-9);
    assert_eq!(measured.price(false), "about $0.0001");
    assert_eq!(measured.price_of_a_day(false), "9 figures a minute, about $0.13 a day");
    assert_eq!([measured.price(true), measured.price_of_a_day(true)], ["nothing is billed"; 2]);
}

#[test]
fn what_was_not_read_is_told_once() {
    let denied = || CloudError::new(ErrorKind::Denied, "cloudwatch:GetMetricData", "no");
    let figures: Figures = Measure::ALL.iter().map(|measure| (*measure, Read::NotRead(denied()))).collect();
    let of = |figures: Figures| OfServer { figures, tools: [(OfTool::Calls, Read::NotRead(denied()))].into() };
    let told = |figures| {
        let servers = [("time".to_owned(), of(figures))].into();
        Measured {
            alarms: Read::Known(Vec::new()),
            servers,
            firewall: Read::Known(Blocked::new()),
            edge: Read::Known(Edge::new()),
            behind: Read::Known(Series::default()),
            asked: 9,
        }
        .unread()
    };
    assert_eq!(told(figures), ["requests of time: cloudwatch:GetMetricData: no"]);
    assert_eq!(told(Figures::new()), ["tools of time: cloudwatch:GetMetricData: no"]);
}

#[test]
fn tools_that_fail_come_first_and_what_was_not_read_is_not_zero() {
    let series = |value: f64| Series { points: vec![(at(-7_200), 1_000.0), (at(-120), value), (at(-60), 1.0)] };
    let all = |values: &[(&str, f64)]| {
        let named = values.iter().map(|(tool, value)| ((*tool).to_owned(), series(*value)));
        Read::Known(named.collect::<BTreeMap<_, _>>())
    };
    let old = Series { points: vec![(at(-7_200), 5.0)] };
    let mut calls = all(&[("busy", 99.0), ("failing", 3.0), ("none", 9.0)]);
    calls.known_mut().unwrap().insert("retired".into(), old);
    let denied = CloudError::new(ErrorKind::Denied, "cloudwatch:GetMetricData", "no");
    let mut tools: Tools =
        [(OfTool::Calls, calls), (OfTool::Errors, all(&[("failing", 2.0)])), (OfTool::P95, Read::NotRead(denied))]
            .into();
    let row = |tool, calls, errors, p95| Row { tool, calls, errors, p95 };
    let told = [
        row("failing", Some(4.0), Some(3.0), None),
        row("busy", Some(100.0), Some(0.0), None),
        row("none", Some(10.0), Some(0.0), None),
    ];
    assert_eq!(rows(&tools, at(0)), told);
    assert_eq!(told[2].name(), "(no tool)");
    assert_eq!(unread(&tools).map(|why| why.kind), Some(ErrorKind::Denied));
    tools.insert(OfTool::P95, all(&[("busy", 40.0)]));
    tools.insert(OfTool::Errors, Read::NotRead(CloudError::new(ErrorKind::Unsupported, "x", "no")));
    assert_eq!(rows(&tools, at(0))[0], row("busy", Some(100.0), None, Some(40.0)));
    assert!(unread(&tools).is_none(), "who cannot have it is told of no gap");
}

#[test]
fn what_the_firewall_blocks_is_told_by_rule_where_the_file_has_one() {
    let of = |edge: &str| -> Environment {
        toml::from_str(&format!("environment = 'prod'\nregion = 'eu-west-1'\n[edge]\n{edge}")).unwrap()
    };
    let query = blocked(&of("")).unwrap();
    assert_eq!((query.dimensions[0].1.as_str(), query.each), ("quarterdeck-prod", Some("Rule")));
    assert!(blocked(&of("enabled = false")).is_none());
    assert!(
        blocked(&of("web_acl = 'arn:aws:wafv2:us-east-1:1:global/webacl/company/1'")).is_none(),
        "its names are not ours"
    );
    let series = |value: f64| Series { points: vec![(at(-7_200), 99.0), (at(-120), value)] };
    let all = [("ALL", 9.0), ("body-size", 3.0), ("common", 6.0), ("rate-per-ip", 0.0)];
    let all: Blocked = all.into_iter().map(|(rule, value)| (rule.to_owned(), series(value))).collect();
    let all = Read::Known(all);
    let told = by_rule(&all, at(0), SPAN).into_iter().map(|(rule, many)| (rule.to_owned(), many));
    assert_eq!(told.collect::<Vec<_>>(), [("common".to_owned(), 6.0), ("body-size".to_owned(), 3.0)]);
}
