//! The words of the commands about zones.

use clap::Subcommand;

use quarterdeck::core::shift;

/// Zone commands.
#[derive(Debug, Clone, Subcommand)]
pub enum ZoneCommand {
    /// The zones of the load balancer with their tasks, and which one is taken out.
    List,
    /// Keep requests away from a zone for a time; its tasks run on, and it ends by itself.
    Shift {
        /// The zone, by its name or id.
        zone: String,
        /// For how long from now, at most 72h, such as 3h or 90m.
        #[arg(long = "for", value_name = "TIME", default_value = "3h", value_parser = shift::length)]
        time: i64,
    },
    /// Let the zone in again before the end.
    Cancel,
}
