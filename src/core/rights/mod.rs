//! The rights that the program needs at AWS.

pub mod calls;
