//! The words of the commands about those who call: clients, users, and who is kept out.

use clap::{Args, Subcommand};

use quarterdeck::core::quarantine::{self, Who};

/// Client commands.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientsCommand {
    /// All clients of the environment's user pool.
    List,
    /// Rotate a client's secret.
    Rotate(RotateFlags),
    /// Print an access token of a machine client.
    Token {
        /// Client name or id.
        client: String,
    },
}

/// How `clients rotate` rotates.
#[derive(Debug, Clone, Args)]
pub struct RotateFlags {
    /// Client name or id.
    pub client: String,
    /// How long the old credentials stay valid, such as 24h, 15m or 0s.
    #[arg(long, default_value = "24h", value_parser = duration)]
    pub grace: i64,
    /// Finish an unfinished rotation now, waiving what is left of its grace period.
    #[arg(long, conflicts_with = "undo")]
    pub finish: bool,
    /// Take an unfinished rotation back.
    #[arg(long)]
    pub undo: bool,
}

/// Parses a duration; in seconds.
fn duration(text: &str) -> Result<i64, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| "a duration such as 24h, 15m or 0s".to_owned())?;
    if parsed.is_negative() { Err("a duration that is not negative".into()) } else { Ok(parsed.as_secs()) }
}

/// User commands.
#[derive(Debug, Clone, Subcommand)]
pub enum UsersCommand {
    /// Who can sign in.
    List {
        /// Only those whose name, or address, begins so.
        #[arg(default_value = "")]
        beginning: String,
    },
    /// End the refresh tokens of a user, on every device. Access tokens go on working until they end.
    SignOut {
        /// Name or e-mail address.
        user: String,
    },
    /// End a user's refresh tokens on every device, and keep them from signing in.
    Disable {
        /// Name or e-mail address.
        user: String,
    },
    /// Let a user sign in again.
    Enable {
        /// Name or e-mail address.
        user: String,
    },
}

/// Quarantine commands.
#[derive(Debug, Clone, Subcommand)]
pub enum QuarantineCommand {
    /// Who is kept out, and until when.
    List,
    /// Keep a caller out of all servers for a time, whatever its tokens say; or change the end.
    Add {
        #[command(flatten)]
        who: Caller,
        /// For how long from now, at most 31d, such as 1h, 30m or 7d.
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = quarantine::length)]
        time: i64,
    },
    /// Let a caller in again before the end.
    Lift {
        #[command(flatten)]
        who: Caller,
    },
}

/// One caller.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Caller {
    /// An app client, by its name or id: everybody who comes with a token of it.
    #[arg(long, value_name = "CLIENT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub client: Option<String>,
    /// A person, by name, e-mail address, or the `sub` of the tokens; or a `subject` of the log.
    #[arg(long, value_name = "SUBJECT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub subject: Option<String>,
}

impl Caller {
    /// Who is meant; the command line has one of the two.
    pub fn who(self) -> Who {
        match (self.client, self.subject) {
            (Some(client), _) => Who::Client(client),
            (None, subject) => Who::Subject(subject.unwrap_or_default()),
        }
    }
}
