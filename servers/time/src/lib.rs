//! MCP server for the time anywhere and conversion between time zones.
//!
//! It needs no network and no files: the time zone database is in the binary.

mod convert;
mod tools;
mod zones;

pub use convert::{Conversion, Reading, convert, read};
pub use tools::TimeServer;
pub use zones::Zones;
