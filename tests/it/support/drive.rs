//! Drives an operation against a cloud: the audit is a list, conditions are read once and again.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use quarterdeck::cloud::{Cloud, CloudResult, TokenAnswer};
use quarterdeck::core::operation::protocol::News;
use quarterdeck::core::operation::{Approved, Check, CheckState, Event, Facts, Operation, Order, Phase, verify};
use quarterdeck::core::plan::Plan;
use quarterdeck::core::unread::Read;

pub use super::plans::bare as plan;

/// Reads of one condition before the operator leaves.
const READS: usize = 30;

/// An operation and what its audit holds.
pub struct Driven {
    pub operation: Operation,
    pub audit: String,
}

impl Driven {
    /// Why it stopped, if it did not end well.
    pub fn trouble(&self) -> String {
        match &self.operation.phase {
            Phase::Paused { why, .. } | Phase::Refused(why) => why.clone(),
            other => format!("{other:?}"),
        }
    }
}

/// Confirms a plan and does what it wants until nothing is left to do.
pub async fn drive(cloud: &dyn Cloud, plan: Plan) -> Driven {
    let mut driven = Driven { operation: Operation::propose(plan, false), audit: String::new() };
    let mut wanted: VecDeque<Order> = driven.operation.handle(Event::Answer("y".into()), now()).into();
    let mut reads = 0;
    while let Some(effect) = wanted.pop_front() {
        let event = match effect {
            Order::Record(record, mark) => {
                driven.audit.push_str(&serde_json::to_string(&record).unwrap());
                Event::Recorded(mark)
            }
            Order::Apply(step, approved, _) => {
                let news = match cloud.apply(*approved).await {
                    Ok(applied) => News::Applied(applied),
                    Err(error) => News::Failed(error),
                };
                Event::Step { step, news }
            }
            Order::Check(step, check, _) => {
                reads += 1;
                let state = read(cloud, &check).await;
                let news = match state {
                    Ok(CheckState::Pending(_)) | Err(_) if reads > READS => {
                        let why = format!("gave up: {state:?}");
                        wanted.extend(driven.operation.handle(Event::Leave(why), now()));
                        continue;
                    }
                    Ok(CheckState::Pending(note)) => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        News::Checked(CheckState::Pending(note), Facts::new())
                    }
                    Ok(state) => {
                        reads = 0;
                        News::Checked(state, Facts::new())
                    }
                    Err(error) => News::Unread(error),
                };
                Event::Step { step, news }
            }
            Order::Tell(_) | Order::Discard => continue,
        };
        wanted.extend(driven.operation.handle(event, now()));
    }
    driven
}

/// The first call of a plan, approved.
pub fn first_call(plan: Plan) -> Approved {
    let mut operation = Operation::propose(plan, false);
    let mut wanted: VecDeque<Order> = operation.handle(Event::Answer("y".into()), now()).into();
    loop {
        match wanted.pop_front().expect("a call") {
            Order::Record(_, mark) => wanted.extend(operation.handle(Event::Recorded(mark), now())),
            Order::Apply(_, approved, _) => return *approved,
            _ => {}
        }
    }
}

async fn read(cloud: &dyn Cloud, check: &Check) -> CloudResult<CheckState> {
    Ok(match check {
        Check::TokenGranted { probe } => match cloud.token(probe).await? {
            TokenAnswer::Granted(_) => CheckState::Holds("granted".into()),
            TokenAnswer::Refused(why) => CheckState::Pending(why),
        },
        Check::TokenRefused { probe } => match cloud.token(probe).await? {
            TokenAnswer::Granted(_) => CheckState::Pending("still granted".into()),
            TokenAnswer::Refused(why) => CheckState::Holds(why),
        },
        Check::StackSettled { stack, token } => {
            let (found, detail) = (cloud.stack(stack).await?, cloud.stack_detail(stack).await?);
            verify::settled(found.as_ref(), &Read::Known(detail), token.as_deref())
        }
        Check::StackGone { stack, token } => {
            let found = cloud.stack(stack).await?;
            verify::gone(found.as_ref(), &cloud.stack_detail(stack).await.into(), Some(token))
        }
        Check::Steady { cluster, service, promise } => {
            let fleet = cloud.fleet_of(cluster, std::slice::from_ref(service)).await?;
            verify::steady(fleet.server(service).expect("the service"), promise, jiff::Timestamp::now())
        }
        _ => CheckState::Holds("not read by tests".into()),
    })
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}
