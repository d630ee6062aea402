//! Tells values that look like secrets, so that none gets into a file, a template's parameter or a command line.

/// Words in the name of a variable that holds a secret.
const WORDS: [&str; 12] = [
    "SECRET",
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "APIKEY",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
    "AUTH_KEY",
    "SIGNING_KEY",
];

/// How well-known credentials begin, and the fewest characters of a whole one.
const PREFIXES: [(&str, usize); 17] = [
    ("AKIA", 20),
    ("ASIA", 20),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("sk-", 20),
    ("sk_live_", 20),
    ("rk_live_", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AIza", 30),
    ("npm_", 30),
    ("hvs.", 20),
    ("pypi-", 30),
];

/// Why a variable looks like a secret; `None` if it does not.
pub(super) fn variable(name: &str, value: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    if WORDS.iter().any(|word| upper.contains(word)) && !harmless(value) {
        return Some("its name says so");
    }
    text(value)
}

/// Why a text looks like a secret or holds one; `None` if it does not.
pub fn text(value: &str) -> Option<&'static str> {
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY") {
        return Some("it is a private key");
    }
    if url_with_password(value) {
        return Some("it is a URL with a password in it");
    }
    // An argument such as --key=VALUE holds the value behind the sign.
    value.split(|c: char| c.is_whitespace() || "=,;\"'".contains(c)).find_map(word)
}

fn word(word: &str) -> Option<&'static str> {
    let credential = |(prefix, fewest): &(&str, usize)| word.starts_with(prefix) && word.len() >= *fewest;
    if PREFIXES.iter().any(credential) {
        return Some("it begins as a credential does");
    }
    let parts: Vec<&str> = word.split('.').collect();
    let jwt = parts.len() == 3 && parts.iter().take(2).all(|part| part.starts_with("eyJ"));
    jwt.then_some("it is a token (JWT)")
}

fn url_with_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}

/// What a variable may hold whose name speaks of a secret: nothing, a number, a choice, a URL, a path, an ARN.
fn harmless(value: &str) -> bool {
    let choice = ["true", "false", "yes", "no", "on", "off", "none", "bearer", "basic"];
    value.is_empty()
        || value.parse::<f64>().is_ok()
        || choice.contains(&value.to_ascii_lowercase().as_str())
        || value.contains("://")
        || value.starts_with('/')
        || value.starts_with("arn:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("API_KEY", "abc", true)]
    #[case("stripe_secret", "whatever", true)]
    #[case("DB_PASSWORD", "hunter2", true)]
    #[case("MAX_TOKENS", "4096", false)]
    #[case("USE_TOKEN", "false", false)]
    #[case("TOKEN_ENDPOINT", "https://example.com/token", false)]
    #[case("TOKEN_FILE", "/run/token", false)]
    #[case("SECRET_ARN", "arn:aws:secretsmanager:eu-west-1:1:secret:a", false)]
    #[case("DATABASE_URL", "postgres://app:hunter2@db/app", true)]
    #[case("DATABASE_URL", "postgres://db/app", false)]
    #[case("DATABASE_URL", "postgres://app@db/app", false)]
    #[case("LOG_LEVEL", "info", false)]
    #[case("KEYBOARD", "de", false)]
    #[case("X", "AKIAIOSFODNN7EXAMPLE", true)]
    #[case("X", "ghp_0123456789abcdefghij0123456789abcdef", true)]
    #[case("X", "sk-0123456789abcdefghijklmn", true)]
    #[case("X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", true)]
    #[case("X", "-----BEGIN RSA PRIVATE KEY-----\nMII", true)]
    #[case("X", "sk-learn", false)]
    #[case("X", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", false)]
    fn a_variable_looks_like_a_secret_by_its_name_or_its_value(
        #[case] name: &str,
        #[case] value: &str,
        #[case] secret: bool,
    ) {
        assert_eq!(variable(name, value).is_some(), secret);
    }

    #[rstest]
    #[case("--api-key=sk-0123456789abcdefghijklmn", true)]
    #[case("Authorization: Bearer ghp_0123456789abcdefghij", true)]
    #[case("--level=info", false)]
    fn a_secret_is_found_within_an_argument(#[case] argument: &str, #[case] secret: bool) {
        assert_eq!(text(argument).is_some(), secret);
    }
}
