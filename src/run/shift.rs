//! What keeps requests away from zones of the environment's load balancer.

use super::{Session, read};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::shift::{Shifts, balancer_of};

/// What was found.
#[derive(Debug, Clone)]
pub enum Seen {
    /// The load balancer, and what is away from it.
    There(Box<Shifts>),
    /// There is nothing to shift; why.
    Nowhere(Why),
}

impl Seen {
    /// What is there.
    pub fn there(self) -> Option<Box<Shifts>> {
        match self {
            Self::There(shifts) => Some(shifts),
            Self::Nowhere(_) => None,
        }
    }
}

/// Why no zone can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The emulator of the local cloud has no zones.
    Local,
    /// The cluster is none of quarterdeck's.
    Foreign,
    /// The platform names no load balancer.
    NoBalancer,
    /// ARC does not know it, or the endpoint has no ARC.
    Unknown,
}

impl Why {
    /// In a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Local => "the local cloud has no zones: nothing in it shifts requests away from one",
            Self::Foreign => "a zone is taken out of the load balancer of an environment, and this cluster is of none",
            Self::NoBalancer => "the platform stack of this environment names no load balancer",
            Self::Unknown => {
                "Amazon Application Recovery Controller does not know the load balancer: \
                 zonal_shift.config.enabled is off, or there is no such service here"
            }
        }
    }
}

/// Reads it. The name of a zone that is taken out is asked for only then, and where it may not be asked for the id stands
/// alone.
///
/// # Errors
/// When the platform or ARC cannot be read.
pub async fn read(session: &Session) -> CloudResult<Seen> {
    if session.context.local {
        return Ok(Seen::Nowhere(Why::Local));
    }
    if session.context.ours().is_none() {
        return Ok(Seen::Nowhere(Why::Foreign));
    }
    let platform = match read::platform(session).await {
        Ok(platform) => platform,
        Err(why) if why.kind == ErrorKind::NotFound => return Ok(Seen::Nowhere(Why::NoBalancer)),
        Err(why) => return Err(why),
    };
    let Some(balancer) = balancer_of(&platform) else { return Ok(Seen::Nowhere(Why::NoBalancer)) };
    let mut shifts = match session.cloud.shifts(&balancer).await {
        Ok(shifts) => shifts,
        Err(why) if matches!(why.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => {
            return Ok(Seen::Nowhere(Why::Unknown));
        }
        Err(why) => return Err(why),
    };
    if let Some(shift) = &shifts.shift {
        let zones = session.cloud.zones().await.unwrap_or_default();
        shifts.name = zones.into_iter().find(|zone| zone.id == shift.away_from).map(|zone| zone.name);
    }
    Ok(Seen::There(Box::new(shifts)))
}
