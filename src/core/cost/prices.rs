//! The packed price table: `stack/prices.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An amount in millionths of the table's currency; a decimal number in JSON and TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Money(pub u64);

impl From<f64> for Money {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    fn from(amount: f64) -> Self {
        Self((amount * 1e6).round() as u64)
    }
}

impl From<Money> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below nine billion dollars")]
    fn from(amount: Money) -> Self {
        amount.0 as Self / 1e6
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cents = (self.0 + 5_000) / 10_000;
        write!(f, "${}.{:02}", cents / 100, cents % 100)
    }
}

/// Prices with their date.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// Last edited, `YYYY-MM-DD`.
    pub date: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Pages that publish the prices.
    pub sources: Vec<String>,
    /// Quantities that no template says.
    pub assumed: Assumed,
    /// Prices that are the same in every region.
    pub everywhere: Everywhere,
    pub regions: BTreeMap<String, Region>,
}

/// Quantities in a month that no template says; each key says what it counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "named by the key")]
pub struct Assumed {
    pub hours: u64,
    pub spot_discount_percent: u64,
    pub alb_lcu: u64,
    pub nat_gb: u64,
    pub waf_million_requests: u64,
    pub log_gb_per_task: u64,
}

/// Prices of one unit, named by the key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "named by the key")]
pub struct Everywhere {
    pub waf_acl_month: Money,
    pub waf_rule_month: Money,
    pub waf_million_requests: Money,
    pub kms_key_month: Money,
    pub secret_month: Money,
    pub alarm_month: Money,
    pub public_ipv4_hour: Money,
}

/// Prices of one unit in a region, named by the key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "named by the key")]
pub struct Region {
    pub fargate_x86_vcpu_hour: Money,
    pub fargate_x86_gb_hour: Money,
    pub fargate_arm_vcpu_hour: Money,
    pub fargate_arm_gb_hour: Money,
    pub nat_hour: Money,
    pub nat_gb: Money,
    pub alb_hour: Money,
    pub alb_lcu_hour: Money,
    pub logs_ingest_gb: Money,
    pub logs_stored_gb_month: Money,
}

impl PriceTable {
    /// The packed table.
    ///
    /// # Errors
    /// When `stack/prices.toml` has not the shape of this type.
    pub fn packed() -> Result<Self, String> {
        toml::from_str(include_str!("../../../stack/prices.toml")).map_err(|error| format!("prices.toml: {error}"))
    }

    /// The prices of a region.
    ///
    /// # Errors
    /// When the table has none: another region's are never taken instead.
    pub fn region(&self, region: &str) -> Result<&Region, String> {
        self.regions.get(region).ok_or_else(|| {
            let known: Vec<&str> = self.regions.keys().map(String::as_str).collect();
            format!("no estimate: the price table of {} has no {region:?}, only {}", self.date, known.join(", "))
        })
    }
}
