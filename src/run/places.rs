//! How the console gets from one place to another.

use async_trait::async_trait;

use super::Session;
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::destination::{Destination, Profile};
use crate::core::error::{PlanError, Refusal};

/// What leads to other places. The program knows how to make a session; the console only says where.
#[async_trait]
pub trait Places: Send + Sync {
    /// The profiles of the AWS configuration files, sorted by name, as the files are now.
    ///
    /// # Errors
    /// `ErrorKind::Invalid` if a file is there and cannot be read, with its name and line.
    async fn profiles(&self) -> CloudResult<Vec<Profile>>;

    /// A session with a place. It makes no call to AWS, so wrong credentials are found by the first read; with a cluster
    /// that is not there it succeeds, too. What protects the place, its file and the read-only mode, is in its context.
    ///
    /// # Errors
    /// When the profile cannot be used, or no region is known.
    async fn open(&self, to: &Destination) -> Result<Session, PlanError>;
}

/// One place, from which nothing leads away: the local cloud.
#[derive(Debug, Clone, Copy)]
pub struct OnePlace;

#[async_trait]
impl Places for OnePlace {
    async fn profiles(&self) -> CloudResult<Vec<Profile>> {
        Ok(Vec::new())
    }

    async fn open(&self, _to: &Destination) -> Result<Session, PlanError> {
        Err(Refusal::new(ErrorKind::Invalid, "nothing leads away from here").into())
    }
}
