//! What an environment is expected to cost in a month, from its stacks' parameters.

mod prices;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use prices::{Money, PriceTable, Region};

use super::environment::{Architecture, Nat, Origin, Template};

/// What the price of a stack depends on, whether it is deployed or only described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    pub name: String,
    pub template: Template,
    /// Its known parameters; the template's defaults stand for the others.
    pub parameters: BTreeMap<String, String>,
}

/// One line of an estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub subject: String,
    pub name: String,
    /// Thousandths of a unit in a month, with the fewest tasks.
    pub quantity_milli: u64,
    /// The unit, such as `vCPU-hour`.
    pub unit: String,
    /// Price of a unit.
    pub unit_price: Money,
    /// Amount in a month with the fewest tasks.
    pub monthly: Money,
    /// Amount in a month with the most tasks.
    pub monthly_max: Money,
}

/// Items and their sum.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Estimate {
    pub items: Vec<Item>,
    /// Sum with the fewest tasks.
    pub monthly: Money,
    /// Sum with the most tasks.
    pub monthly_max: Money,
}

/// What a plan shows: before, after, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Of what is deployed.
    pub before: Option<Estimate>,
    /// Of what is planned.
    pub after: Option<Estimate>,
    /// What the figures rest on.
    pub assumptions: Vec<String>,
    /// Why there is no estimate.
    pub notice: Option<String>,
}

impl Cost {
    /// Prices what is and what would be; nothing is billed at an emulator's endpoint.
    pub fn compare(region: &str, emulated: bool, before: &[Priced], after: &[Priced]) -> Self {
        if emulated {
            return Self::without("local cloud: nothing is billed");
        }
        let priced = PriceTable::packed().and_then(|table| {
            let before = if before.is_empty() { None } else { Some(estimate(&table, region, before)?) };
            let after = Some(estimate(&table, region, after)?);
            Ok(Self { before, after, assumptions: assumptions(&table), notice: None })
        });
        priced.unwrap_or_else(Self::without)
    }

    /// No estimate, and why.
    pub fn without(notice: impl Into<String>) -> Self {
        Self { notice: Some(notice.into()), ..Self::default() }
    }

    /// In one line, such as `$10.00 -> $20.00..$40.00 a month (estimate)`.
    pub fn summary(&self) -> String {
        match (&self.notice, &self.before, &self.after) {
            (Some(notice), ..) => notice.clone(),
            (None, Some(before), Some(after)) => format!("{before} -> {after} a month (estimate)"),
            (None, _, Some(after)) => format!("{after} a month (estimate)"),
            (None, Some(before), None) => format!("{before} -> $0.00 a month (estimate)"),
            (None, None, None) => "no estimate".to_owned(),
        }
    }

    /// The items after the change, then the assumptions, one a line.
    pub fn details(&self) -> Vec<String> {
        let items = self.after.iter().flat_map(|estimate| estimate.items.iter().map(Item::to_string));
        items.chain(self.assumptions.iter().map(|line| format!("assumed: {line}"))).collect()
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&range(self.monthly, self.monthly_max))
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let amount = range(self.monthly, self.monthly_max);
        let (whole, rest) = (self.quantity_milli / 1000, self.quantity_milli % 1000);
        let quantity = format!("{whole}.{rest:03}");
        let quantity = quantity.trim_end_matches('0').trim_end_matches('.');
        let price = f64::from(self.unit_price);
        write!(f, "{amount}  {} {}: {quantity} {} at ${price}", self.subject, self.name, self.unit)
    }
}

fn range(low: Money, high: Money) -> String {
    if low == high { low.to_string() } else { format!("{low}..{high}") }
}

fn assumptions(table: &PriceTable) -> Vec<String> {
    let assumed = &table.assumed;
    vec![
        format!(
            "list prices in {}, entered by hand on {} and not read from AWS; no tax, free tier or discounts",
            table.currency, table.date
        ),
        format!("{} hours a month; Fargate Spot {} % cheaper", assumed.hours, assumed.spot_discount_percent),
        format!(
            "{} LCU, {} GB through each NAT gateway, {} million requests at the web ACL, {} GB of logs per task, stored one month",
            assumed.alb_lcu, assumed.nat_gb, assumed.waf_million_requests, assumed.log_gb_per_task
        ),
        "not counted: data transfer, CloudFront requests, Cognito users, metrics, images, flow, WAF and access logs"
            .to_owned(),
    ]
}

/// Prices stacks.
///
/// # Errors
/// When the table has no prices of the region, or a stack has a parameter that cannot be priced.
pub fn estimate(table: &PriceTable, region: &str, stacks: &[Priced]) -> Result<Estimate, String> {
    let prices = table.region(region)?;
    let mut bill = Bill { table, prices, estimate: Estimate::default(), subject: String::new() };
    for stack in stacks {
        bill.subject.clone_from(&stack.name);
        match stack.template {
            Template::Edge => bill.edge(),
            Template::Network => bill.network(stack)?,
            Template::Platform => bill.platform(stack)?,
            Template::Server => bill.server(stack)?,
            // Paid by what is stored in it.
            Template::Repository => {}
        }
    }
    Ok(bill.estimate)
}

impl Priced {
    /// A parameter in force.
    fn get(&self, parameter: &str) -> &str {
        let given = self.parameters.get(parameter).map(String::as_str);
        given.or_else(|| self.template.default_of(parameter)).unwrap_or_default()
    }

    fn is(&self, parameter: &str) -> bool {
        self.get(parameter) == "true"
    }

    /// A number or a choice in force. A value that the console does not know has no price: the stack
    /// may come from another template.
    fn read<T: FromStr<Err: Display>>(&self, parameter: &str) -> Result<T, String> {
        let read = self.get(parameter).parse();
        read.map_err(|why| format!("no estimate: {parameter} of {} cannot be priced: {why}", self.name))
    }
}

struct Bill<'a> {
    table: &'a PriceTable,
    prices: &'a Region,
    estimate: Estimate,
    subject: String,
}

impl Bill<'_> {
    /// Adds `low..high` thousandths of a unit.
    fn between(&mut self, name: &str, (low, high): (u64, u64), unit: &str, unit_price: Money) {
        let amount = |milli: u64| Money((milli.saturating_mul(unit_price.0) + 500) / 1000);
        let (monthly, monthly_max) = (amount(low), amount(high));
        if high == 0 {
            return;
        }
        let (subject, name, unit) = (self.subject.clone(), name.to_owned(), unit.to_owned());
        self.estimate.items.push(Item { subject, name, quantity_milli: low, unit, unit_price, monthly, monthly_max });
        self.estimate.monthly.0 += monthly.0;
        self.estimate.monthly_max.0 += monthly_max.0;
    }

    fn add(&mut self, name: &str, quantity: u64, unit: &str, unit_price: Money) {
        self.between(name, (quantity * 1000, quantity * 1000), unit, unit_price);
    }

    fn edge(&mut self) {
        let prices = &self.table.everywhere;
        self.add("web ACL", 1, "month", prices.waf_acl_month);
        let rules = Template::Edge.web_acl_rules() as u64;
        self.add("web ACL rules", rules, "rule-month", prices.waf_rule_month);
        let millions = self.table.assumed.waf_million_requests;
        self.add("web ACL requests", millions, "million", prices.waf_million_requests);
    }

    fn network(&mut self, stack: &Priced) -> Result<(), String> {
        let gateways: u64 = match stack.read("NatMode")? {
            Nat::None => 0,
            Nat::Single => 1,
            Nat::PerZone => stack.read("ZoneCount")?,
        };
        let assumed = &self.table.assumed;
        self.add("NAT gateway", gateways * assumed.hours, "hour", self.prices.nat_hour);
        self.add("NAT data", gateways * assumed.nat_gb, "GB", self.prices.nat_gb);
        self.add("public IPv4", gateways * assumed.hours, "hour", self.table.everywhere.public_ipv4_hour);
        Ok(())
    }

    fn platform(&mut self, stack: &Priced) -> Result<(), String> {
        let (assumed, everywhere) = (&self.table.assumed, &self.table.everywhere);
        self.add("load balancer", assumed.hours, "hour", self.prices.alb_hour);
        self.add("load balancer LCU", assumed.alb_lcu * assumed.hours, "LCU-hour", self.prices.alb_lcu_hour);
        if stack.read::<Origin>("OriginMode")? == Origin::Public {
            // One address in each public subnet; two where the subnets are known only later.
            let subnets = stack.parameters.get("PublicSubnetIds").map_or(2, |ids| ids.split(',').count() as u64);
            self.add("public IPv4", subnets * assumed.hours, "hour", everywhere.public_ipv4_hour);
            self.add("secret", u64::from(stack.is("OriginGuard")), "secret-month", everywhere.secret_month);
        }
        self.add("KMS key", u64::from(stack.is("Encryption")), "key-month", everywhere.kms_key_month);
        self.add("alarm", 1, "alarm-month", everywhere.alarm_month);
        Ok(())
    }

    fn server(&mut self, stack: &Priced) -> Result<(), String> {
        let (prices, assumed, everywhere) = (self.prices, &self.table.assumed, &self.table.everywhere);
        let (cpu, memory) = (stack.read("Cpu")?, stack.read("Memory")?);
        let (vcpu_hour, gb_hour) = match stack.read("Architecture")? {
            Architecture::X86 => (prices.fargate_x86_vcpu_hour, prices.fargate_x86_gb_hour),
            Architecture::Arm64 => (prices.fargate_arm_vcpu_hour, prices.fargate_arm_gb_hour),
        };
        let (min, max): (u64, u64) = (stack.read("MinCount")?, stack.read("MaxCount")?);
        let weight = stack.read::<u64>("SpotWeight")?.min(100);
        // CPU units and MiB are 1,024ths; shares are hundredths of a task.
        let hours = |size: u64, share: u64| size * 1000 * assumed.hours / 1024 * share / 100;
        let spot = |tasks: u64| tasks.saturating_sub(1) * weight;
        let steady = |tasks: u64| tasks * 100 - spot(tasks);
        let cheaper = |price: Money| Money(price.0 * (100 - assumed.spot_discount_percent.min(100)) / 100);
        let both = |size: u64, share: &dyn Fn(u64) -> u64| (hours(size, share(min)), hours(size, share(max)));
        self.between("Fargate CPU", both(cpu, &steady), "vCPU-hour", vcpu_hour);
        self.between("Fargate memory", both(memory, &steady), "GB-hour", gb_hour);
        self.between("Fargate Spot CPU", both(cpu, &spot), "vCPU-hour", cheaper(vcpu_hour));
        self.between("Fargate Spot memory", both(memory, &spot), "GB-hour", cheaper(gb_hour));
        let logs = (min * assumed.log_gb_per_task * 1000, max * assumed.log_gb_per_task * 1000);
        self.between("logs ingested", logs, "GB", prices.logs_ingest_gb);
        self.between("logs stored", logs, "GB-month", prices.logs_stored_gb_month);
        // Two of its own, and one where it reads who is kept out; which table that is may be known only later. Target
        // tracking adds a high and a low one to each of its two policies.
        let reads = stack.parameters.get("QuarantineTable").is_none_or(|table| table != "-");
        let own = 2 + u64::from(reads);
        self.add("alarms", if min == max { own } else { own + 4 }, "alarm-month", everywhere.alarm_month);
        self.add("secret", 1, "secret-month", everywhere.secret_month);
        Ok(())
    }
}
