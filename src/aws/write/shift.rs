//! Starts and ends zonal shifts. ARC takes one at a time for a load balancer, so that of two operators one is refused.

use jiff::Timestamp;

use crate::aws::AwsCloud;
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::operation::shift::{ChangeShift, Now};
use crate::core::operation::{Applied, Facts, ShiftCall};
use crate::core::shift::expires_in;

const START: &str = "arc-zonal-shift:StartZonalShift";
const CANCEL: &str = "arc-zonal-shift:CancelZonalShift";

impl AwsCloud {
    /// Does what was agreed, if what is there is what the plan saw.
    pub(super) async fn write_shift(&self, ShiftCall { change, operation }: &ShiftCall) -> CloudResult<Applied> {
        let shifts = self.read_shifts(&change.balancer).await?;
        match change.now(&shifts, operation, false) {
            Now::Done(_) => return Ok(Applied::Done(Facts::new())),
            Now::Other(other) => return Ok(void(change, &other.away_from)),
            Now::Untouched | Now::Over => {}
        }
        let written = match change.until {
            Some(until) => self.start_shift(change, operation, until).await,
            None => self.cancel_shift(change).await,
        };
        match written {
            Ok(applied) => Ok(applied),
            // Somebody was faster, or it is ours, of an attempt whose answer was lost.
            Err(why) if matches!(why.kind, ErrorKind::Conflict | ErrorKind::NotFound) => {
                match change.now(&self.read_shifts(&change.balancer).await?, operation, false) {
                    Now::Done(_) => Ok(Applied::Done(Facts::new())),
                    Now::Other(other) => Ok(void(change, &other.away_from)),
                    Now::Untouched | Now::Over => Err(why),
                }
            }
            Err(why) => Err(why),
        }
    }

    async fn start_shift(&self, change: &ChangeShift, operation: &str, until: Timestamp) -> CloudResult<Applied> {
        let left = until.duration_since(Timestamp::now());
        if left.is_negative() || left.is_zero() {
            return Ok(Applied::Void(format!("it was to end at {until:.0}, which is over")));
        }
        let call = self.write.shifts.start_zonal_shift().resource_identifier(&change.balancer);
        let call = call.away_from(&change.zone.id).expires_in(expires_in(left)).comment(change.comment(operation));
        call.send().await.map_err(self.failed(START))?;
        Ok(Applied::Done(Facts::new()))
    }

    async fn cancel_shift(&self, change: &ChangeShift) -> CloudResult<Applied> {
        let seen = change.seen.as_deref().unwrap_or_default();
        self.write.shifts.cancel_zonal_shift().zonal_shift_id(seen).send().await.map_err(self.failed(CANCEL))?;
        Ok(Applied::Done(Facts::new()))
    }
}

fn void(change: &ChangeShift, away_from: &str) -> Applied {
    let zone = &change.zone.name;
    Applied::Void(format!(
        "somebody has started a shift since this was planned, away from {away_from}, and AWS takes one at a time; plan \
         {zone} again"
    ))
}
