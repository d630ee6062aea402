//! `quarterdeck zone list`, and what `status` says of a zone that is taken out.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Exit, Failure, Output, json as print_json, line, written};
use crate::cloud::CloudResult;
use crate::core::error::{ErrorKind, Refusal};
use crate::core::shift::{Shifts, Zone, tasks_of};
use crate::core::text::{age, short_duration};
use crate::core::unread::Read;
use crate::run::Session;
use crate::run::shift::read;

/// Prints the zones of the environment's load balancer, the tasks in each, and which one is taken out.
///
/// # Errors
/// When they cannot be read or written, or there are none.
pub async fn list_zones(session: &Session, output: Output) -> Result<Exit, Failure> {
    let shifts = match read(session).await? {
        Ok(shifts) => shifts,
        Err(why) => return Err(Refusal::new(ErrorKind::Unsupported, why.words()).into()),
    };
    let zones: Vec<Zone> = session.cloud.zones().await?;
    let zones: Vec<Zone> = zones.into_iter().filter(|zone| shifts.zones.contains(&zone.id)).collect();
    let fleet = session.cloud.fleet(&session.context.cluster).await?;
    let (now, rows) = (
        Timestamp::now(),
        zones.iter().map(|zone| {
            let of: Vec<_> = fleet.servers.iter().filter_map(|server| tasks_of(server, &zone.name)).collect();
            let sum = |part: fn(&crate::core::shift::Tasks) -> usize| of.iter().map(part).sum::<usize>();
            (zone, sum(|tasks| tasks.there), sum(|tasks| tasks.healthy_there))
        }),
    );
    let out = |zone: &Zone| shifts.shift.as_ref().filter(|shift| shift.away_from == zone.id);
    let result = match output {
        Output::Json => {
            let rows = rows.map(|(zone, tasks, healthy)| {
                json!({ "name": zone.name, "id": zone.id, "tasks": tasks, "healthy": healthy, "shift": out(zone) })
            });
            print_json(&json!({
                "balancer": shifts.balancer, "zones": rows.collect::<Vec<_>>(), "others": shifts.others,
            }))
        }
        Output::Text => {
            let rows = rows.map(|(zone, tasks, healthy)| {
                let out = out(zone).map(|shift| {
                    let left = short_duration(shift.until.duration_since(now));
                    format!("taken out for {}, {left} left: {}", age(now, shift.since), shift.comment)
                });
                format!("{:<16} {:<12} {tasks:>5} {healthy:>7}  {}", zone.name, zone.id, out.unwrap_or_default())
            });
            let others = shifts.others.iter().map(|other| {
                format!(
                    "{} is under way, away from {}, for {}",
                    other.kind.word(),
                    other.away_from,
                    age(now, other.since)
                )
            });
            let head = format!("{:<16} {:<12} {:>5} {:>7}", "ZONE", "ID", "TASKS", "HEALTHY");
            let lines: Vec<String> = std::iter::once(head).chain(rows).chain(others).collect();
            line(&lines.join("\n"))
        }
    };
    written(result)?;
    Ok(Exit::Done)
}

/// What keeps requests away, for `status`: what is not there is none.
pub(super) struct Out(CloudResult<Option<Box<Shifts>>>);

impl Out {
    pub(super) async fn read(session: &Session) -> Self {
        Self(read(session).await.map(Result::ok))
    }

    /// The shift with the name of its zone, or that it was not read; null where there is none.
    pub(super) fn document(&self) -> Value {
        let one = |shifts: &Option<Box<Shifts>>| {
            let shifts = shifts.as_ref()?;
            let mut document = json!(shifts.shift.as_ref()?);
            document["zone"] = json!(shifts.name);
            Some(document)
        };
        json!(Read::from(self.0.as_ref().map(one).map_err(Clone::clone)))
    }

    pub(super) fn lines(&self, now: Timestamp) -> Vec<String> {
        let shifts = self.0.as_ref().ok().and_then(Option::as_ref);
        let out = shifts.and_then(|shifts| shifts.out());
        out.map(|(shift, zone)| shift.told(&zone, now)).into_iter().collect()
    }

    /// Why it could not be read.
    pub(super) fn gap(&self) -> Option<String> {
        self.0.as_ref().err().map(|why| format!("zones that are taken out: {why}"))
    }
}
