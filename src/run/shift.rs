//! What keeps requests away from zones of the environment's load balancer.

use super::{Session, read};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::shift::{Nowhere, Shifts, balancer_of};

/// Reads it. The name of a zone that is taken out is asked for only then, and where it may not be asked for the id stands
/// alone.
///
/// # Errors
/// When the platform or ARC cannot be read.
pub async fn read(session: &Session) -> CloudResult<Result<Box<Shifts>, Nowhere>> {
    if session.context.local {
        return Ok(Err(Nowhere::Local));
    }
    if session.context.ours().is_none() {
        return Ok(Err(Nowhere::Foreign));
    }
    let platform = match read::platform(session).await {
        Ok(platform) => platform,
        Err(why) if why.kind == ErrorKind::NotFound => return Ok(Err(Nowhere::NoBalancer)),
        Err(why) => return Err(why),
    };
    let Some(balancer) = balancer_of(&platform) else { return Ok(Err(Nowhere::NoBalancer)) };
    let mut shifts = match session.cloud.shifts(&balancer).await {
        Ok(shifts) => shifts,
        Err(why) if matches!(why.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => {
            return Ok(Err(Nowhere::Unknown));
        }
        Err(why) => return Err(why),
    };
    if let Some(shift) = &shifts.shift {
        let zones = session.cloud.zones().await.unwrap_or_default();
        shifts.name = zones.into_iter().find(|zone| zone.id == shift.away_from).map(|zone| zone.name);
    }
    Ok(Ok(Box::new(shifts)))
}
