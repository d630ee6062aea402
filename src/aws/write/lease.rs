//! The lease on a Secret: who may write to it and to the credentials in it. Label by label, every move is a
//! compare-and-set at Secrets Manager, so of two operators one fails.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::aws::AwsCloud;
use crate::aws::credentials::{self, Credentials};
use crate::cloud::{CloudError, CloudResult, ErrorKind, ServerAnswer, TokenAnswer, TokenEndpoint};
use crate::core::client::Holder;
use crate::core::operation::rotate::seen_lease;
use crate::core::operation::work::{Hold, LEASE, Label, Lease, LeaseFrom, Proof, Version, labelled};
use crate::core::operation::{Applied, Changed, Fact, Facts};
use crate::core::plan::Confirm;

const STAGE: &str = "secretsmanager:UpdateSecretVersionStage";
/// The label under which a version is written before it gets the one that counts. PutSecretValue wants a
/// label, and moves it without asking; who has this one does not matter.
pub(super) const CLAIM: &str = "quarterdeck-claim";
/// Attempts to get a lease that another operator changes at the same moment.
const ATTEMPTS: usize = 3;

type Versions = BTreeMap<String, Vec<String>>;

/// The version that stands for the lease of an operation.
fn taken(operation: &str, secret: &str) -> String {
    credentials::version_id(&format!("{operation}-lease"), secret)
}

/// The version that stands for the lease once it is sealed.
fn sealed(operation: &str, secret: &str) -> String {
    credentials::version_id(&format!("{operation}-sealed"), secret)
}

/// Whether the operation has the lease.
fn has(versions: &Versions, operation: &str, secret: &str) -> bool {
    labelled(versions, LEASE)
        .is_some_and(|holder| [taken(operation, secret), sealed(operation, secret)].contains(&holder.to_owned()))
}

impl AwsCloud {
    pub(super) async fn take_lease(
        &self,
        lease: &Lease,
        from: &LeaseFrom,
        current: Option<&str>,
    ) -> CloudResult<Applied> {
        let secret = &lease.secret;
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let versions = self.versions(secret).await?;
            let Some(published) = labelled(&versions, Label::Current.as_str()) else {
                return Ok(Applied::Void(format!("secret {secret} holds no credentials any more")));
            };
            let holder = labelled(&versions, LEASE);
            let mine = has(&versions, &lease.operation, secret);
            if current.is_some_and(|shown| shown != published) {
                if mine {
                    // An earlier attempt got it, and somebody's write that was under way landed after that.
                    self.move_label(secret, LEASE, holder, None).await?;
                }
                let why = format!(
                    "other credentials have been published in secret {secret} since this was planned; plan it again"
                );
                return Ok(Applied::Void(why));
            }
            if mine {
                return Ok(Applied::Done(reserved(secret, holder.unwrap_or_default(), published)));
            }
            match (holder, from) {
                (None, LeaseFrom::Nobody | LeaseFrom::Holder(_)) => {}
                (Some(holder), LeaseFrom::Holder(named) | LeaseFrom::Only(named)) if holder == named => {}
                (None, LeaseFrom::Only(_)) => {
                    return Ok(Applied::Void(format!("the operation that had reserved {} has ended", lease.client)));
                }
                (Some(holder), LeaseFrom::Only(_)) => {
                    let who = self.holder(secret, holder).await?;
                    return Ok(Applied::Void(format!("{} is reserved by {who}", lease.client)));
                }
                (Some(holder), _) => return self.ask_for(lease, holder).await.map(Applied::Changed),
            }
            let mine = self.claim(lease, "lease").await?;
            match self.move_label(secret, LEASE, holder, Some(&mine)).await {
                Ok(()) => return Ok(Applied::Done(reserved(secret, &mine, published))),
                // Somebody was faster; or it was lost and is looked at again.
                Err(error) if error.kind == ErrorKind::Invalid => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| lost(secret, "nobody")))
    }

    /// Who else has the lease, for the operator to decide.
    async fn ask_for(&self, lease: &Lease, holder: &str) -> CloudResult<Box<Changed>> {
        let who = self.holder(&lease.secret, holder).await?;
        Ok(Box::new(Changed {
            subject: lease.client.clone(),
            field: "its reservation".into(),
            planned: "free".into(),
            now: format!("held: {who}"),
            after: "taken over; what that operation has not finished stays as it is".into(),
            seen: Facts::of(seen_lease(&lease.secret), holder),
            confirm: Some(Confirm::Typed(lease.client.clone())),
        }))
    }

    /// Writes the version that says who holds the lease.
    async fn claim(&self, lease: &Lease, kind: &str) -> CloudResult<String> {
        let holder = Holder {
            operation: lease.operation.clone(),
            what: lease.what.clone(),
            by: lease.by.clone(),
            since: Some(Timestamp::now()),
            version: String::new(),
        };
        let make = async || Ok(Credentials::default().with_holder(&holder));
        self.put_version(&lease.secret, &format!("{}-{kind}", lease.operation), CLAIM, make).await
    }

    pub(super) async fn seal_lease(&self, lease: &Lease) -> CloudResult<()> {
        let secret = &lease.secret;
        let versions = self.versions(secret).await?;
        let (open, shut) = (taken(&lease.operation, secret), sealed(&lease.operation, secret));
        match labelled(&versions, LEASE) {
            Some(holder) if holder == shut => return Ok(()),
            Some(holder) if holder == open => {}
            other => return Err(self.lost_to(secret, other).await),
        }
        let shut = self.claim(lease, "sealed").await?;
        self.move_label(secret, LEASE, Some(&open), Some(&shut)).await
    }

    pub(super) async fn release_lease(&self, lease: &Lease) -> CloudResult<()> {
        let secret = &lease.secret;
        let versions = match self.versions(secret).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        if !has(&versions, &lease.operation, secret) {
            return Ok(());
        }
        self.move_label(secret, LEASE, labelled(&versions, LEASE), None).await
    }

    /// The versions of a Secret, if the operation holds its lease and the version that it relies on is
    /// `AWSCURRENT`, or `to` already is.
    pub(super) async fn held(&self, hold: &Hold, to: Option<&str>) -> CloudResult<Versions> {
        let versions = self.versions(&hold.secret).await?;
        if !has(&versions, &hold.operation, &hold.secret) {
            return Err(self.lost_to(&hold.secret, labelled(&versions, LEASE)).await);
        }
        let current = labelled(&versions, Label::Current.as_str());
        if current.is_some() && (current == Some(&hold.current) || current == to) {
            return Ok(versions);
        }
        let current = current.unwrap_or("none");
        let why = format!("AWSCURRENT of secret {} is {current}, not {}: nothing was done", hold.secret, hold.current);
        Err(CloudError::new(ErrorKind::Conflict, STAGE, why).with_hint("somebody else has published another version"))
    }

    /// The only move of `AWSCURRENT` in a rotation: to a version whose credentials have just been proven, from
    /// the version that the operation relies on.
    pub(super) async fn publish(&self, hold: &Hold, to: &str, proof: &Proof) -> CloudResult<()> {
        let versions = self.held(hold, Some(to)).await?;
        if labelled(&versions, Label::Current.as_str()) == Some(to) {
            return Ok(());
        }
        self.prove(proof).await?;
        self.move_label(&hold.secret, Label::Current.as_str(), Some(&hold.current), Some(to)).await
    }

    /// An error unless the token endpoint grants a token and every server accepts it.
    pub(super) async fn prove(&self, proof: &Proof) -> CloudResult<()> {
        let unproven = |why: String| {
            let why = format!("AWSCURRENT was not moved, because the credentials are not proven: {why}");
            CloudError::new(ErrorKind::Conflict, STAGE, why)
        };
        if let TokenAnswer::Refused(why) = self.token(&proof.probe).await? {
            return Err(unproven(why));
        }
        for url in &proof.servers {
            match self.accepted(&proof.probe, url).await? {
                ServerAnswer::Accepted => {}
                ServerAnswer::Refused(why) => return Err(unproven(format!("{url}: {why}"))),
                // What stands before the server, such as a load balancer, may answer otherwise a moment later.
                ServerAnswer::Unclear(why) => {
                    return Err(CloudError::new(ErrorKind::Service, STAGE, format!("{url}: {why}")));
                }
            }
        }
        Ok(())
    }

    async fn lost_to(&self, secret: &str, holder: Option<&str>) -> CloudError {
        match holder {
            None => lost(secret, "nobody"),
            Some(holder) => match self.holder(secret, holder).await {
                Ok(who) => lost(secret, &who.to_string()),
                Err(_) => lost(secret, "another operation"),
            },
        }
    }

    /// Who holds a lease, by the version that stands for it.
    pub(in crate::aws) async fn holder(&self, secret: &str, version: &str) -> CloudResult<Holder> {
        let held = self.stored_credentials(secret, &Version::Id(version.to_owned())).await?;
        Ok(Holder { version: version.to_owned(), ..held.holder() })
    }
}

fn reserved(secret: &str, lease: &str, current: &str) -> Facts {
    [(Fact::Lease(secret.to_owned()), lease.to_owned()), (Fact::Current(secret.to_owned()), current.to_owned())].into()
}

fn lost(secret: &str, to: &str) -> CloudError {
    let why =
        format!("secret {secret} is not reserved for this operation any more, but held by {to}: nothing was done");
    CloudError::new(ErrorKind::Conflict, STAGE, why)
}
