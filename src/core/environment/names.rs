//! Names that both the templates and the console derive from environment and server.

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

/// Secret that carries a server's machine client.
pub fn machine_secret(environment: &str, server: &str) -> String {
    format!("quarterdeck/{environment}/{server}/machine-client")
}
