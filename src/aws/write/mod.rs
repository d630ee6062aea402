//! The calls that write. Each looks before it writes, so that repeating one whose outcome is
//! unknown is harmless, and each is sent once.

mod rotation;
mod service;
mod stack;

use super::AwsCloud;
use crate::cloud::CloudResult;
use crate::core::fleet::Bounds;
use crate::core::operation::work::{Call, Facts};

impl AwsCloud {
    /// Carries out an approved call; what it learnt.
    pub(super) async fn carry_out(&self, call: &Call) -> CloudResult<Facts> {
        match call {
            Call::SetDesired { cluster, service, desired, from } => {
                self.set_desired(cluster, service, *desired, *from).await
            }
            Call::SetBounds { cluster, service, min, max } => {
                self.set_bounds(cluster, service, Bounds { min: *min, max: *max }).await.map(nothing)
            }
            Call::NewDeployment { cluster, service, replaces } => self.new_deployment(cluster, service, replaces).await,
            Call::UseTaskDefinition { cluster, service, task_definition, replaces } => {
                self.use_task_definition(cluster, service, task_definition, replaces.as_deref()).await
            }
            Call::StopTask { cluster, task, reason } => self.stop_task(cluster, task, reason).await,
            Call::DraftChangeSet { request } => self.draft_change_set(request).await,
            Call::ExecuteChangeSet { stack, change_set, token } => {
                self.execute_change_set(stack, change_set, token).await.map(nothing)
            }
            Call::DeleteStack { stack, token } => self.delete_stack(stack, token).await.map(nothing),
            other => self.carry_out_rotation(other).await,
        }
    }

    /// The calls on clients and their Secrets.
    async fn carry_out_rotation(&self, call: &Call) -> CloudResult<Facts> {
        match call {
            Call::PublishClientSecret { pool, client, secret } => {
                self.publish_client_secret(pool, client, secret).await.map(nothing)
            }
            Call::StageNewSecret { client, secret, token } => self.stage_new_secret(client, secret, token).await,
            Call::AddClientSecret { pool, client, probe, known } => {
                self.add_client_secret(pool, client, probe, known).await
            }
            Call::DeleteClientSecret { pool, client, client_secret, secret, published } => {
                self.delete_client_secret(pool, client, client_secret, (secret, published)).await.map(nothing)
            }
            Call::CopyClient { pool, client, known } => self.copy_client(pool, client, known).await,
            Call::StageClient { pool, client, secret, token, also_allow } => {
                self.stage_client(pool, client, secret, token, also_allow).await
            }
            Call::AllowClients { secret, clients, token } => {
                self.allow_clients(secret, clients, token).await.map(nothing)
            }
            Call::Promote { secret, version } => self.promote(secret, version).await,
            Call::DeleteClient { pool, client, secret } => self.delete_client(pool, client, secret).await.map(nothing),
            _ => Err(super::error::invalid("quarterdeck:Apply", "this call has no implementation")),
        }
    }
}

fn nothing((): ()) -> Facts {
    Facts::new()
}

/// One fact.
fn fact(name: String, value: impl Into<String>) -> Facts {
    Facts::from([(name, value.into())])
}
