//! Amazon Application Recovery Controller: one zonal shift at a time for a load balancer, which ends by itself (its API
//! reference); and the zones of EC2.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::scripted::Reply;
use super::State;

/// The zones of the account, by name and id: the letters are not in the order of the numbers.
pub const ZONES: &[(&str, &str)] =
    &[("eu-central-1a", "euc1-az2"), ("eu-central-1b", "euc1-az3"), ("eu-central-1c", "euc1-az1")];

/// What it holds.
#[derive(Debug, Clone, Default)]
pub struct Arc {
    /// Whether the load balancer has `zonal_shift.config.enabled`; else ARC does not know it.
    pub unknown: bool,
    /// Whether the operators lack the right to read it.
    pub denied: bool,
    /// Whether they lack the right to ask for zones.
    pub denies_zones: bool,
    /// The shift in force.
    pub shift: Option<Shift>,
    /// An autoshift away from this zone.
    pub autoshift: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub struct Shift {
    pub id: String,
    pub away_from: String,
    pub comment: String,
    pub since: Timestamp,
    pub until: Timestamp,
}

impl State {
    pub(super) fn shifts_call(&mut self, call: &str, path: &str, body: &Value, operator: &str) -> Option<Reply> {
        let now = self.time();
        // One that is over is not told any more.
        self.recovery.shift = self.recovery.shift.take().filter(|shift| shift.until > now);
        if call == "DescribeAvailabilityZones" {
            return Some(self.described_zones());
        }
        let ours = || format!("loadbalancer/app/quarterdeck-{}/0123456789abcdef", super::ENVIRONMENT);
        if call == "GetManagedResource" {
            let known = path.replace("%3A", ":").replace("%2F", "/").ends_with(&ours()) && !self.recovery.unknown;
            return Some(match known {
                _ if self.recovery.denied => {
                    error(403, "AccessDeniedException", "not authorized to perform: arc-zonal-shift:GetManagedResource")
                }
                true => self.managed(),
                false => error(404, "ResourceNotFoundException", "The resource is not managed"),
            });
        }
        if call == "CancelZonalShift" {
            let id = path.rsplit('/').next().unwrap_or_default();
            return Some(match self.recovery.shift.take_if(|shift| shift.id == id) {
                Some(shift) => {
                    self.wrote(operator, format!("CancelZonalShift {}", shift.away_from));
                    Reply::json(200, told(&shift, "CANCELED"))
                }
                None => error(404, "ResourceNotFoundException", "Zonal shift not found"),
            });
        }
        (call == "StartZonalShift").then(|| self.start_shift(body, operator, now))
    }

    fn start_shift(&mut self, body: &Value, operator: &str, now: Timestamp) -> Reply {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let minutes = text("expiresIn").strip_suffix('m').and_then(|minutes| minutes.parse::<i64>().ok());
        let zone = text("awayFrom");
        let known = ZONES.iter().any(|(_, id)| *id == zone);
        let Some(minutes) = minutes.filter(|minutes| (1..=72 * 60).contains(minutes) && known) else {
            return error(400, "ValidationException", "The request is not valid");
        };
        assert!(text("comment").chars().count() <= 128 && body["comment"].is_string(), "{body}");
        if let Some(there) = &self.recovery.shift {
            let mut body = json!({ "message": "A zonal shift already exists", "reason": "ZonalShiftAlreadyExists" });
            body["zonalShiftId"] = json!(there.id);
            return Reply::Headed(409, "x-amzn-errortype: ConflictException\r\n", body.to_string());
        }
        let id = format!("{:08}-0000-0000-0000-000000000000", self.id());
        let until = now + SignedDuration::from_mins(minutes);
        let shift = Shift { id, away_from: zone.clone(), comment: text("comment"), since: now, until };
        let answer = told(&shift, "ACTIVE");
        self.recovery.shift = Some(shift);
        self.wrote(operator, format!("StartZonalShift {zone}"));
        Reply::json(201, answer)
    }

    fn managed(&self) -> Reply {
        let arc = &self.recovery;
        let away = |id: &str| arc.shift.as_ref().is_some_and(|shift| shift.away_from == id);
        let weights: serde_json::Map<String, Value> =
            ZONES.iter().map(|(_, id)| ((*id).to_owned(), json!(if away(id) { 0.0 } else { 1.0 }))).collect();
        let shifts = arc.shift.iter().map(|shift| {
            let mut shift = told(shift, "ACTIVE");
            (shift["appliedStatus"], shift["shiftType"]) = (json!("APPLIED"), json!("ZONAL_SHIFT"));
            shift
        });
        // That of an operator takes the place of AWS's own.
        let applied = if arc.shift.is_some() { "NOT_APPLIED" } else { "APPLIED" };
        let autoshifts =
            arc.autoshift.iter().map(|zone| json!({ "awayFrom": zone, "appliedStatus": applied, "startTime": 1.0 }));
        Reply::json(
            200,
            json!({ "arn": "a", "name": "n", "appliedWeights": weights, "zonalShifts": shifts.collect::<Vec<_>>(),
                "autoshifts": autoshifts.collect::<Vec<_>>(), "zonalAutoshiftStatus": "DISABLED" }),
        )
    }

    fn described_zones(&self) -> Reply {
        if self.recovery.denies_zones {
            let body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized \
                to perform this operation.</Message></Error></Errors><RequestID>r</RequestID></Response>";
            return Reply::Answer(403, body.into());
        }
        let item = |(name, id): &(&str, &str)| {
            format!("<item><zoneName>{name}</zoneName><zoneId>{id}</zoneId><zoneState>available</zoneState></item>")
        };
        let items: String = ZONES.iter().map(item).collect();
        Reply::Answer(
            200,
            format!(
                "<DescribeAvailabilityZonesResponse><availabilityZoneInfo>{items}</availabilityZoneInfo>\
                 </DescribeAvailabilityZonesResponse>"
            ),
        )
    }
}

fn told(shift: &Shift, status: &str) -> Value {
    let seconds = |at: Timestamp| at.as_millisecond() as f64 / 1_000.0;
    json!({ "zonalShiftId": shift.id, "resourceIdentifier": "r", "awayFrom": shift.away_from, "comment": shift.comment,
        "startTime": seconds(shift.since), "expiryTime": seconds(shift.until), "status": status })
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::error(status, code, message)
}
