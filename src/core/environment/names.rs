//! Names that both the templates and the console derive from environment and server.

use crate::core::fleet::Server;

/// ECS cluster of an environment.
pub fn cluster(environment: &str) -> String {
    format!("quarterdeck-{environment}")
}

/// Prefix of all stack names of an environment.
pub fn stack_prefix(environment: &str) -> String {
    format!("quarterdeck-{environment}-")
}

/// A stack of an environment: `edge`, `network`, `platform` or a server's name.
pub fn stack(environment: &str, part: &str) -> String {
    format!("quarterdeck-{environment}-{part}")
}

/// Log group of a server.
pub fn log_group(environment: &str, server: &str) -> String {
    format!("/quarterdeck/{environment}/{server}")
}

/// Log groups of a server: those of its task definition, or our templates' one where it names none or
/// was not read.
pub fn log_groups(environment: &str, server: &Server) -> Vec<String> {
    match server.log_groups.known() {
        Some(groups) if !groups.is_empty() => groups.clone(),
        _ => vec![log_group(environment, &server.name)],
    }
}

/// Secret that carries a server's machine client.
pub fn machine_secret(environment: &str, server: &str) -> String {
    format!("quarterdeck/{environment}/{server}/machine-client")
}
