//! Zones: which there are, and from which a load balancer is kept away.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_arczonalshift::types::{AppliedStatus, ShiftType, ZonalShiftInResource};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

use super::convert::{text, time};
use super::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, Zones};
use crate::core::shift::{Kind, Other, Shift, Shifts, Zone};

const RESOURCE: &str = "arc-zonal-shift:GetManagedResource";
const ZONES: &str = "ec2:DescribeAvailabilityZones";
/// EC2's own protocol: a form, and XML as the answer (EC2 API reference, "Making API requests").
const FORM: &str = "Action=DescribeAvailabilityZones&Version=2016-11-15";
const FORM_TYPE: &str = "application/x-www-form-urlencoded";
/// The longest answer that is read, in bytes: a region has a few dozen zones, local ones included.
const LONGEST: usize = 256 * 1024;

/// What signs the call of EC2.
pub(super) struct Signer {
    credentials: Option<SharedCredentialsProvider>,
}

impl Signer {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { credentials: config.credentials_provider() }
    }
}

#[async_trait]
impl Zones for AwsCloud {
    async fn shifts(&self, balancer: &str) -> CloudResult<Shifts> {
        self.within(RESOURCE, self.read_shifts(balancer)).await
    }

    async fn zones(&self) -> CloudResult<Vec<Zone>> {
        self.within(ZONES, self.read_zones()).await
    }
}

impl AwsCloud {
    pub(super) async fn read_shifts(&self, balancer: &str) -> CloudResult<Shifts> {
        let call = self.read.shifts.get_managed_resource().resource_identifier(balancer);
        let answer = call.send().await.map_err(self.failed(RESOURCE))?;
        let own = |shift: &&ZonalShiftInResource| matches!(shift.shift_type(), None | Some(ShiftType::ZonalShift));
        let practice = answer.zonal_shifts().iter().filter(|shift| !own(shift));
        let practice = practice.map(|shift| {
            let of_aws = shift.shift_type() == Some(&ShiftType::ZonalAutoshift);
            let kind = if of_aws { Kind::Autoshift } else { Kind::Practice };
            other(kind, shift.away_from(), shift.start_time())
        });
        let autoshifts = answer.autoshifts().iter();
        let autoshifts = autoshifts.map(|shift| other(Kind::Autoshift, shift.away_from(), shift.start_time()));
        Ok(Shifts {
            balancer: balancer.to_owned(),
            zones: answer.applied_weights().keys().map(|zone| text(Some(zone))).collect(),
            shift: answer.zonal_shifts().iter().find(own).and_then(shift),
            others: practice.chain(autoshifts).flatten().collect(),
            name: None,
        })
    }

    /// The zones of the region. The SDK for EC2 takes minutes to compile, so that this one call is signed here.
    async fn read_zones(&self) -> CloudResult<Vec<Zone>> {
        let given = self.endpoint.clone().filter(|_| !self.meter.plain());
        let endpoint = given.unwrap_or_else(|| regional(&self.region));
        let url = format!("{}/", endpoint.trim_end_matches('/'));
        let mut request = self.http()?.post(&url).header("content-type", FORM_TYPE).body(FORM);
        for (name, value) in self.signature(&url).await? {
            request = request.header(name, value);
        }
        self.meter.count();
        let unanswered = |failure: reqwest::Error| {
            let kind = if failure.is_timeout() { ErrorKind::TimedOut } else { ErrorKind::Unreachable };
            CloudError::new(kind, ZONES, format!("no answer from {}", self.place()))
        };
        let mut answer = request.send().await.map_err(unanswered)?;
        let (status, mut body) = (answer.status().as_u16(), Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(unanswered)?.filter(|_| body.len() < LONGEST) {
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8_lossy(&body);
        if status != 200 {
            let first = |tag: &str| tagged(&body, tag).next();
            return Err(error::from_service(ZONES, first("Code"), first("Message"), Some(status)));
        }
        zones(&body).ok_or_else(|| error::garbled(ZONES, "the answer names no zones"))
    }

    /// The headers that sign it (Signature Version 4), at the time of AWS.
    async fn signature(&self, url: &str) -> CloudResult<Vec<(String, String)>> {
        let none = |why: String| CloudError::new(ErrorKind::NoCredentials, ZONES, why);
        let provider = self.signer.credentials.as_ref().ok_or_else(|| none("there are no credentials".to_owned()))?;
        let found = provider.provide_credentials().await;
        let identity = found.map_err(|_| none("there are no credentials that work".to_owned()))?.into();
        let invalid = |why: &dyn std::fmt::Display| error::invalid(ZONES, format!("the call cannot be signed: {why}"));
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ec2")
            .time(at_aws(self.meter.ahead()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|why| invalid(&why))?
            .into();
        let headers = [("content-type", FORM_TYPE)].into_iter();
        let request = SignableRequest::new("POST", url, headers, SignableBody::Bytes(FORM.as_bytes()));
        let request = request.map_err(|why| invalid(&why))?;
        let (instructions, _) = sign(request, &parameters).map_err(|why| invalid(&why))?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// The time of AWS, by how far it is ahead in milliseconds.
fn at_aws(ahead: i64) -> SystemTime {
    let (now, by) = (SystemTime::now(), Duration::from_millis(ahead.unsigned_abs()));
    if ahead < 0 { now.checked_sub(by).unwrap_or(now) } else { now + by }
}

/// EC2's endpoint (EC2 developer guide, "Amazon EC2 service endpoints").
fn regional(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://ec2.{region}.{suffix}")
}

/// What stands in each of these elements, which have no others in them.
fn tagged<'a>(xml: &'a str, tag: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let pieces: Vec<&str> = xml.split(open.as_str()).skip(1).collect();
    pieces.into_iter().filter_map(move |piece| Some(piece.split_once(close.as_str())?.0))
}

/// The zones of an answer: each has one name and one id, in this order.
fn zones(xml: &str) -> Option<Vec<Zone>> {
    let names: Vec<String> = tagged(xml, "zoneName").map(|name| text(Some(name))).collect();
    let ids: Vec<String> = tagged(xml, "zoneId").map(|id| text(Some(id))).collect();
    let same = !names.is_empty() && names.len() == ids.len();
    same.then(|| names.into_iter().zip(ids).map(|(name, id)| Zone { name, id }).collect())
}

fn shift(found: &ZonalShiftInResource) -> Option<Shift> {
    Some(Shift {
        id: found.zonal_shift_id().to_owned(),
        away_from: text(Some(found.away_from())),
        since: time(Some(found.start_time()))?,
        until: time(Some(found.expiry_time()))?,
        applied: *found.applied_status() == AppliedStatus::Applied,
        comment: text(Some(found.comment())),
    })
}

fn other(kind: Kind, away_from: &str, since: &aws_smithy_types::DateTime) -> Option<Other> {
    Some(Other { kind, away_from: text(Some(away_from)), since: time(Some(since))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_as_the_api_reference_shows_them() {
        let item = |name: &str, id: &str| {
            format!(
                "<item><optInStatus>opt-in-not-required</optInStatus><messageSet><item><message>m</message></item>\
                 </messageSet><regionName>us-east-1</regionName><zoneName>{name}</zoneName><zoneId>{id}</zoneId>\
                 <zoneType>availability-zone</zoneType></item>"
            )
        };
        let answer = format!(
            "<DescribeAvailabilityZonesResponse><availabilityZoneInfo>{}{}</availabilityZoneInfo>\
             </DescribeAvailabilityZonesResponse>",
            item("us-east-1a", "use1-az6"),
            item("us-east-1b", "use1-az1"),
        );
        let zone = |name: &str, id: &str| Zone { name: name.into(), id: id.into() };
        assert_eq!(zones(&answer), Some(vec![zone("us-east-1a", "use1-az6"), zone("us-east-1b", "use1-az1")]));
        for odd in ["", "<html>", &answer.replace("<zoneId>use1-az1</zoneId>", "")] {
            assert_eq!(zones(odd), None, "{odd}");
        }
    }
}
