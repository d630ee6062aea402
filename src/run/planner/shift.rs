//! The plan to take a zone out of the environment's load balancer for a time, or to let it in again.

use jiff::{SignedDuration, Timestamp};

use super::{refused, unread};
use crate::cloud::ErrorKind;
use crate::core::error::{Hand, PlanError, PlanResult};
use crate::core::operation::intent::LAYOUT;
use crate::core::operation::shift::ChangeShift;
use crate::core::operation::{Facts, Intent};
use crate::core::plan::{Change, Plan, Risk};
use crate::core::shift::{LONGEST, Loss, Shifts, Zone, expires_in, loss, name_of};
use crate::core::text::{count, share, short_duration};
use crate::run::session::{Session, operation_id};
use crate::run::shift;

const CANCEL: &str = "quarterdeck zone cancel";
const SCALE: &str = "quarterdeck scale SERVER --desired N";

pub(super) async fn start(session: &Session, wanted: &str, seconds: i64) -> PlanResult<Plan> {
    let now = Timestamp::now();
    let until = end(now, seconds)?;
    let shifts = there(session).await?;
    if let Some((shift, zone)) = shifts.out() {
        let why = format!("{zone} is taken out until {:.0}, and AWS takes out one zone at a time", shift.until);
        return Err(refused(ErrorKind::Conflict, why).with_way(Hand::ShiftZone, CANCEL, "lets it in again"));
    }
    let zone = zone_of(session, &shifts, wanted).await?;
    let fleet = session.cloud.fleet(&session.context.cluster).await;
    let fleet = fleet.map_err(|why| unread("servers", &why))?;
    let loss = loss(&fleet, &zone.name);
    if !loss.dark.is_empty() {
        let why = format!("in the other zones no task of {} is healthy", loss.dark.join(", "));
        return Err(refused(ErrorKind::Conflict, why).with_way(Hand::Scale, SCALE, "starts more tasks"));
    }
    let length = short_duration(SignedDuration::from_secs(seconds));
    let command = format!(
        "aws arc-zonal-shift start-zonal-shift --region {} --resource-identifier {} --away-from {} --expires-in {} \
         --comment quarterdeck",
        session.context.region,
        shifts.balancer,
        zone.id,
        expires_in(until.duration_since(now)),
    );
    let after = format!("not sent until {until:.0}");
    let change = Change::value(format!("zone {} ({})", zone.name, zone.id), "requests", "sent", after);
    let warnings = warnings(&loss, &shifts, &zone);
    made(
        session,
        Made {
            balancer: name_of(&shifts.balancer).to_owned(),
            title: format!("take zone {} out for {length}", zone.name),
            change: change.at(Risk::Disruptive),
            intent: |by| ChangeShift { balancer: shifts.balancer, zone, until: Some(until), seen: None, by },
            warnings,
            command,
        },
    )
    .await
}

pub(super) async fn cancel(session: &Session) -> PlanResult<Plan> {
    let shifts = there(session).await?;
    let Some((found, called)) = shifts.out() else {
        return Err(PlanError::Already("no zone is taken out".into()));
    };
    let (id, until) = (found.id.clone(), found.until);
    let zone =
        Zone { name: shifts.name.clone().unwrap_or_else(|| found.away_from.clone()), id: found.away_from.clone() };
    let (before, comment) = (format!("not sent until {until:.0}"), found.comment.clone());
    made(
        session,
        Made {
            balancer: name_of(&shifts.balancer).to_owned(),
            title: format!("let zone {} in again", zone.name),
            change: Change::value(format!("zone {called}"), "requests", before, "sent"),
            intent: |by| ChangeShift {
                balancer: shifts.balancer.clone(),
                zone,
                until: None,
                seen: Some(id.clone()),
                by,
            },
            warnings: vec![format!("the shift says of itself: {comment}")],
            command: format!(
                "aws arc-zonal-shift cancel-zonal-shift --region {} --zonal-shift-id {id}",
                session.context.region
            ),
        },
    )
    .await
}

/// What a plan is made of.
struct Made<F> {
    title: String,
    /// Name of the load balancer.
    balancer: String,
    change: Change,
    /// By who asks for it.
    intent: F,
    warnings: Vec<String>,
    command: String,
}

async fn made(session: &Session, made: Made<impl FnOnce(String) -> ChangeShift>) -> PlanResult<Plan> {
    let target = session.target(format!("load balancer {}", made.balancer)).await?;
    let by = target.caller.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(Plan {
        id: operation_id(),
        title: made.title,
        commands: vec![made.command],
        changes: vec![made.change],
        intent: Intent::ZonalShift((made.intent)(by)),
        target,
        warnings: made.warnings,
        confirm: session.confirm(),
        facts: Facts::new(),
        cost: None,
        layout: LAYOUT,
        drafts: Vec::new(),
        trials: Vec::new(),
    })
}

/// What keeps requests away now.
async fn there(session: &Session) -> PlanResult<Shifts> {
    match shift::read(session).await? {
        Ok(shifts) => Ok(*shifts),
        Err(why) => Err(refused(ErrorKind::Unsupported, why.words())),
    }
}

/// The end, in whole seconds.
fn end(now: Timestamp, seconds: i64) -> Result<Timestamp, PlanError> {
    if !(60..=LONGEST.as_secs()).contains(&seconds) {
        let why = format!("a zone is taken out for a minute to {}", short_duration(LONGEST));
        return Err(refused(ErrorKind::Invalid, why));
    }
    let until = now + SignedDuration::from_secs(seconds);
    Timestamp::from_second(until.as_second()).map_err(|_| refused(ErrorKind::Invalid, "that is too far away"))
}

/// The zone of this name or id, if the load balancer is in it.
async fn zone_of(session: &Session, shifts: &Shifts, wanted: &str) -> PlanResult<Zone> {
    let zones = session.cloud.zones().await.map_err(|why| unread("zones of the region", &why))?;
    let ours: Vec<Zone> = zones.into_iter().filter(|zone| shifts.zones.contains(&zone.id)).collect();
    let found = ours.iter().find(|zone| zone.is_called(wanted)).cloned();
    found.ok_or_else(|| {
        let names: Vec<String> = ours.iter().map(|zone| format!("{} ({})", zone.name, zone.id)).collect();
        let why = format!("the load balancer is in no zone {wanted:?}; it is in {}", names.join(", "));
        refused(ErrorKind::NotFound, why)
    })
}

fn warnings(loss: &Loss, shifts: &Shifts, zone: &Zone) -> Vec<String> {
    let tasks = loss.tasks;
    let (there, all) = (tasks.there as u64, tasks.all as u64);
    let mut all = vec![
        format!(
            "{} of {} ({}) get no requests any more, and run on; {} in the other zones are to take all",
            there,
            count(tasks.all, "task"),
            share(there, all),
            count(tasks.healthy_elsewhere, "healthy task"),
        ),
        "AWS ends it by itself; new tasks may come to run in the zone meanwhile".to_owned(),
    ];
    if tasks.healthy_there > 0 {
        all.push(format!("{} there are healthy", count(tasks.healthy_there, "task")));
    }
    if !loss.unread.is_empty() {
        all.push(format!("whether the other zones have healthy tasks of {} is not known", loss.unread.join(", ")));
    }
    all.extend(shifts.others.iter().map(|other| {
        let same = if other.away_from == zone.id { "the same zone" } else { "another zone" };
        format!("{} is under way, away from {same} ({}); this one takes its place", other.kind.word(), other.away_from)
    }));
    all
}
