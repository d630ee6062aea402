//! Carries out the effects of an operation, and returns what happened as events.

use std::time::Duration;

use futures::future::BoxFuture;

use super::{Session, verify};
use crate::cloud::{Cloud, CloudResult};
use crate::core::image::{EcrImage, Found};
use crate::core::operation::protocol::News;
use crate::core::operation::{Applied, Approved, Call, Event, Facts, ImageCall, Order};
use crate::core::stack::StackRef;
use crate::engine::Engine;

/// Carries out one effect of an operation as [`carry_out`] does, after the pause that it asks for.
pub fn perform(session: Session, effect: Order) -> BoxFuture<'static, Option<Event>> {
    let pause = match &effect {
        Order::Check(_, _, seconds) | Order::Apply(_, _, seconds) => *seconds,
        Order::Record(..) | Order::Tell(_) | Order::Discard => 0,
    };
    let done = carry_out(session, effect);
    Box::pin(async move {
        if pause > 0 {
            tokio::time::sleep(Duration::from_secs(u64::from(pause))).await;
        }
        done.await
    })
}

/// Carries out one effect of an operation. The future returns the event that the operation must be told,
/// if there is one.
///
/// A record is handed to the audit before this function returns, so records are written in the order of
/// the calls, whenever the futures are polled.
pub fn carry_out(session: Session, effect: Order) -> BoxFuture<'static, Option<Event>> {
    match effect {
        Order::Record(record, mark) => {
            let written = session.audit.append(*record);
            Box::pin(async move {
                Some(match written.await {
                    Ok(()) => Event::Recorded(mark),
                    Err(error) => Event::NotRecorded(format!("{}: {error}", session.audit.path().display())),
                })
            })
        }
        Order::Apply(step, approved, _) => {
            // Not the audit: whoever holds it keeps the operation's lock, and a call may hang for long.
            let Session { cloud, engine, .. } = session;
            Box::pin(async move {
                tracing::info!(operation = approved.operation(), call = ?approved.call(), "apply");
                let news = match applied(&*cloud, &*engine, *approved).await {
                    Ok(applied) => News::Applied(applied),
                    Err(error) => News::Failed(error),
                };
                Some(Event::Step { step, news })
            })
        }
        Order::Check(step, check, _) => {
            Box::pin(async move { Some(Event::Step { step, news: verify::once(&session, &check).await }) })
        }
        Order::Tell(approved) => Box::pin(async move {
            if let Err(error) = session.cloud.apply(*approved).await {
                tracing::warn!(%error, "colleagues could not be told");
            }
            None
        }),
        Order::Discard => Box::pin(async { None }),
    }
}

/// Brings a call to who carries it out.
async fn applied(cloud: &dyn Cloud, engine: &dyn Engine, approved: Approved) -> CloudResult<Applied> {
    match approved.call() {
        Call::Image(ImageCall::Push(push)) => {
            let found = cloud.image(&push.image).await?;
            match (&found, found.is(&push.id)) {
                (Found::Image { .. }, Some(true)) => return Ok(Applied::Done(Facts::new())),
                (Found::Image { digest, .. }, Some(false)) => return Ok(Applied::Void(taken(&push.image, digest))),
                // What cannot be compared is left to the registry, which refuses another image under this tag.
                _ => {}
            }
            let login = cloud.registry(&push.image).await?;
            engine.push(&approved, &login).await
        }
        Call::Service(_)
        | Call::Stack(_)
        | Call::Secret(_)
        | Call::User(_)
        | Call::Quarantine(_)
        | Call::Shift(_)
        | Call::Board(_) => cloud.apply(approved).await,
    }
}

/// That somebody else has given the tag away since it was planned.
fn taken(image: &EcrImage, digest: &str) -> String {
    format!("{image} is another image now, {digest}; choose another tag in quarterdeck.toml and plan again")
}

/// Discards drafts, given as stack and change set. One that cannot be discarded does no harm; the log
/// names it.
pub async fn discard(session: &Session, drafts: &[(StackRef, String)]) {
    for (stack, change_set) in drafts {
        if let Err(error) = session.cloud.discard(stack, change_set).await {
            tracing::warn!(%error, stack = stack.name, "a draft could not be discarded");
        }
    }
}
