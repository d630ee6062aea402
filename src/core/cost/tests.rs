//! Amounts by hand.

use super::*;

fn server(pairs: &[(&str, &str)]) -> Priced {
    let base = [("Cpu", "256"), ("Memory", "512"), ("Architecture", "X86_64"), ("MinCount", "2"), ("MaxCount", "2")];
    let all = base.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Priced { name: "time".into(), template: Template::Server, parameters: all.collect() }
}

fn shared(template: Template, pairs: &[(&str, &str)]) -> Priced {
    let parameters = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Priced { name: "shared".into(), template, parameters }
}

fn total(region: &str, stacks: &[Priced]) -> Estimate {
    estimate(&PriceTable::packed().unwrap(), region, stacks).unwrap()
}

#[test]
fn amounts_agree_with_a_calculation_by_hand() {
    // 2 x 0.25 vCPU x 730 h x 0.04048 = 14.7752; 2 x 0.5 GB x 730 h x 0.004445 = 3.24485;
    // logs 2 x (0.50 + 0.03); alarms 0.30; secret 0.40.
    assert_eq!(total("us-east-1", &[server(&[])]).monthly, Money(19_780_050));
    // One alarm less without a list of callers that are kept out.
    assert_eq!(total("us-east-1", &[server(&[("QuarantineTable", "-")])]).monthly, Money(19_680_050));
    let listed = server(&[("QuarantineTable", "arn:aws:dynamodb:us-east-1:123456789012:table/t")]);
    assert_eq!(total("us-east-1", &[listed]).monthly, Money(19_780_050));
    // 730 x 0.045 + 10 x 0.045 + 730 x 0.005.
    assert_eq!(total("us-east-1", &[shared(Template::Network, &[])]).monthly, Money(36_950_000));
    // 3 x (730 x 0.052 + 10 x 0.052 + 730 x 0.005).
    let zones = shared(Template::Network, &[("NatMode", "per-zone"), ("ZoneCount", "3")]);
    assert_eq!(total("eu-central-1", &[zones]).monthly, Money(126_390_000));
    assert_eq!(total("us-east-1", &[shared(Template::Network, &[("NatMode", "none")])]).monthly, Money(0));
    // 730 x (0.0225 + 0.008) + key 1 + alarm 0.1.
    assert_eq!(total("us-east-1", &[shared(Template::Platform, &[])]).monthly, Money(23_365_000));
    // ACL 5, seven rules, one million requests.
    assert_eq!(total("us-east-1", &[shared(Template::Edge, &[])]).monthly, Money(12_600_000));
}

#[test]
fn spot_takes_its_share_of_all_but_the_first_task() {
    let spot = total("us-east-1", &[server(&[("SpotWeight", "50")])]);
    let of = |name: &str| spot.items.iter().find(|item| item.name == name).unwrap().quantity_milli;
    assert_eq!((of("Fargate CPU"), of("Fargate Spot CPU")), (273_750, 91_250));
    // A quarter of the Fargate part, 60 % off.
    assert_eq!(spot.monthly, Money(19_780_050 - (14_775_200 + 3_244_850) * 15 / 100));
}

#[test]
fn more_tasks_cost_more_and_stacks_add_up() {
    let mut last = Money(0);
    for tasks in 0..200 {
        let text = tasks.to_string();
        let now = total("us-west-2", &[server(&[("MinCount", &text), ("MaxCount", &text), ("SpotWeight", "70")])]);
        assert!(now.monthly > last, "{tasks}");
        last = now.monthly;
        let both = total("us-west-2", &[server(&[]), shared(Template::Edge, &[])]);
        let apart =
            total("us-west-2", &[server(&[])]).monthly.0 + total("us-west-2", &[shared(Template::Edge, &[])]).monthly.0;
        assert_eq!(both.monthly.0, apart);
    }
}

#[test]
fn arm_is_cheaper_and_every_region_has_all_prices() {
    for region in PriceTable::packed().unwrap().regions.keys() {
        let arm = total(region, &[server(&[("Architecture", "ARM64")])]);
        assert!(arm.monthly < total(region, &[server(&[])]).monthly, "{region}");
    }
}

#[test]
fn what_cannot_be_priced_says_so() {
    let cost = Cost::compare("mars-north-1", false, &[], &[server(&[])]);
    assert_eq!((cost.before.as_ref(), cost.after.as_ref()), (None, None));
    assert!(cost.summary().contains("mars-north-1") && cost.summary().contains("us-east-1"), "{}", cost.summary());
    assert_eq!(Cost::compare("us-east-1", true, &[], &[server(&[])]).summary(), "local cloud: nothing is billed");
}

#[test]
fn an_unknown_parameter_of_a_deployed_stack_is_not_guessed() {
    let table = PriceTable::packed().unwrap();
    let unknown = [
        shared(Template::Network, &[("NatMode", "regional")]),
        shared(Template::Platform, &[("OriginMode", "internet")]),
        server(&[("Architecture", "RISCV")]),
        server(&[("MaxCount", "many")]),
    ];
    for stack in unknown {
        let why = estimate(&table, "us-east-1", std::slice::from_ref(&stack)).unwrap_err();
        assert!(why.starts_with("no estimate: ") && why.contains(&stack.name), "{why}");
    }
}

#[test]
fn task_bounds_give_a_price_range() {
    let cost = Cost::compare("us-east-1", false, &[server(&[])], &[server(&[("MaxCount", "4")])]);
    // Four more alarms; two more tasks at (14.7752 + 3.24485) / 2 + 0.53 each.
    assert_eq!(cost.summary(), "$19.78 -> $20.18..$39.26 a month (estimate)");
    assert!(cost.details().iter().any(|line| line.starts_with("assumed: ")));
    let json = serde_json::to_value(&cost).unwrap();
    assert_eq!(json["before"]["monthly"], 19.78005);
    assert_eq!(serde_json::from_value::<Cost>(json).unwrap(), cost);
}
