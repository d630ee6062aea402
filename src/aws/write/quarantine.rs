//! Writes one entry of the list of callers that are kept out. Each entry is an item of its own, written under the
//! condition that it is as the plan saw it: nobody's entry is wiped by another's.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::aws::AwsCloud;
use crate::aws::quarantine::LIST;
use crate::cloud::CloudResult;
use crate::core::operation::quarantine::{ChangeQuarantine, Now};
use crate::core::operation::{Applied, Facts, QuarantineCall};

const PUT: &str = "dynamodb:PutItem";
const DELETE: &str = "dynamodb:DeleteItem";

impl AwsCloud {
    /// Does to an entry what was agreed, if it is still the one that the plan saw.
    pub(super) async fn write_quarantine(&self, QuarantineCall { change }: &QuarantineCall) -> CloudResult<Applied> {
        if let Some(settled) = settled(change, change.now(&self.read_quarantine(&change.table).await?)) {
            return Ok(settled);
        }
        let written = match change.until {
            Some(until) => self.put_entry(change, until).await?,
            None => self.delete_entry(change).await?,
        };
        if written {
            return Ok(Applied::Done(Facts::new()));
        }
        // Somebody was faster, or it is ours, of an attempt whose answer was lost.
        let now = change.now(&self.read_quarantine(&change.table).await?);
        Ok(settled(change, now).unwrap_or_else(|| void(change, "and back")))
    }

    /// False if the entry is not as it was seen.
    async fn put_entry(&self, change: &ChangeQuarantine, until: Timestamp) -> CloudResult<bool> {
        let number = |moment: Timestamp| AttributeValue::N(moment.as_second().to_string());
        let call = self.write.dynamodb.put_item().table_name(&change.table);
        let call = call.item("list", AttributeValue::S(LIST.into())).item("who", AttributeValue::S(change.who.key()));
        let call = call.item("until", number(until)).item("since", number(Timestamp::now()));
        let call = call.item("by", AttributeValue::S(change.by.clone()));
        let sent = match change.seen {
            None => call.condition_expression("attribute_not_exists(who)").send().await,
            Some(seen) => {
                let call = call.condition_expression("#u = :seen").expression_attribute_names("#u", "until");
                call.expression_attribute_values(":seen", number(seen)).send().await
            }
        };
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(self.failed(PUT)(error)),
        }
    }

    /// The same.
    async fn delete_entry(&self, change: &ChangeQuarantine) -> CloudResult<bool> {
        let call = self.write.dynamodb.delete_item().table_name(&change.table);
        let call = call.key("list", AttributeValue::S(LIST.into())).key("who", AttributeValue::S(change.who.key()));
        let seen = change.seen.map_or(0, Timestamp::as_second).to_string();
        let call = call.condition_expression("#u = :seen").expression_attribute_names("#u", "until");
        match call.expression_attribute_values(":seen", AttributeValue::N(seen)).send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(self.failed(DELETE)(error)),
        }
    }
}

/// What came of it, where nothing is left to write.
fn settled(change: &ChangeQuarantine, now: Now) -> Option<Applied> {
    match now {
        Now::Done => Some(Applied::Done(Facts::new())),
        Now::Untouched => None,
        Now::Other(Some(end)) => Some(void(change, &format!("which ends at {end:.0} now"))),
        Now::Other(None) => Some(void(change, "who is not on the list any more")),
    }
}

fn void(change: &ChangeQuarantine, how: &str) -> Applied {
    Applied::Void(format!(
        "somebody has changed the entry of {} since this was planned, {how}; plan it again",
        change.who
    ))
}
