//! AWS behind the wall of [`crate::cloud`].
//!
//! Architecture invariant: this is the only place that names `aws_sdk_*`.
