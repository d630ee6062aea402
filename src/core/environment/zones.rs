//! Availability zones that lack something which an environment needs.

use std::collections::BTreeSet;

use super::{Architecture, Environment, Network, Origin};

/// Why a zone cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    Fargate,
    /// Fargate on Graviton.
    Arm,
    VpcOrigin,
}

/// Zones by id, because a name means another place in each account: ECS developer guide, "Supported
/// Regions for Amazon ECS on AWS Fargate"; CloudFront developer guide, "Supported AWS Regions for VPC origins".
const LACKING: [(&str, &str, Lack); 6] = [
    ("us-west-1", "usw1-az2", Lack::Fargate),
    ("ap-northeast-1", "apne1-az3", Lack::Fargate),
    ("us-east-1", "use1-az3", Lack::Arm),
    ("us-east-1", "use1-az3", Lack::VpcOrigin),
    ("ca-central-1", "cac1-az3", Lack::VpcOrigin),
    ("us-west-1", "usw1-az2", Lack::VpcOrigin),
];

/// A key of `[network]` and why its value is not possible.
type Fault = (&'static str, String);

pub(super) fn check(environment: &Environment) -> Result<(), Fault> {
    let network = &environment.network;
    if network.zone_names.is_some() && network.zone_ids.is_some() {
        return Err(("zone_ids", "zone_names says it already; give one of the two".into()));
    }
    if let Some(names) = &network.zone_names {
        check_list("zone_names", names, network)?;
        let region = &environment.region;
        let elsewhere = |name: &&String| name.strip_prefix(region.as_str()).is_none_or(|letter| letter.len() != 1);
        if let Some(name) = names.iter().find(elsewhere) {
            let why = format!("{name:?} is not possible; the zones of {region} are named {region}a and so on");
            return Err(("zone_names", why));
        }
    }
    let Some(ids) = &network.zone_ids else { return Ok(()) };
    check_list("zone_ids", ids, network)?;
    if let Some(id) = ids.iter().find(|id| !id.contains("-az")) {
        return Err((
            "zone_ids",
            format!("{id:?} is not the id of a zone, such as use1-az1; names go into zone_names"),
        ));
    }
    ids.iter().try_for_each(|id| match lack(id, environment) {
        None => Ok(()),
        Some(lack) => Err(("zone_ids", format!("{id:?} is not possible: {}; choose another zone", lack.words()))),
    })
}

fn check_list(key: &'static str, zones: &[String], network: &Network) -> Result<(), Fault> {
    if !(2..=3).contains(&zones.len()) {
        return Err((key, format!("{} zones are not possible; 2 or 3 are", zones.len())));
    }
    if zones.iter().collect::<BTreeSet<_>>().len() < zones.len() {
        return Err((key, "a zone is named twice; each is another one".into()));
    }
    match network.zones {
        Some(count) if usize::try_from(count) != Ok(zones.len()) => {
            let why = format!("it has {}, and zones = {count}; leave zones out, or name as many", zones.len());
            Err((key, why))
        }
        _ => Ok(()),
    }
}

/// Whether the environment needs what a zone lacks.
fn needs(environment: &Environment, lack: Lack) -> bool {
    match lack {
        Lack::Fargate => true,
        Lack::Arm => environment.servers.iter().any(|server| server.architecture != Some(Architecture::X86)),
        Lack::VpcOrigin => environment.platform.origin != Some(Origin::Public),
    }
}

/// What the zone lacks that the environment needs.
fn lack(id: &str, environment: &Environment) -> Option<Lack> {
    LACKING.iter().find(|(_, zone, lack)| *zone == id && needs(environment, *lack)).map(|(_, _, lack)| *lack)
}

/// Whether the environment may get a zone that lacks something, since only ids tell zones apart.
pub(super) fn is_luck(environment: &Environment) -> bool {
    let here = |region: &str, lack: Lack| region == environment.region && needs(environment, lack);
    environment.network.zone_ids.is_none() && LACKING.iter().any(|(region, _, lack)| here(region, *lack))
}

impl Lack {
    fn words(self) -> &'static str {
        match self {
            Self::Fargate => "Fargate does not run there",
            Self::Arm => "Fargate runs no ARM64 tasks there",
            Self::VpcOrigin => "CloudFront has no VPC origins there",
        }
    }
}
