//! How an image gets to a registry: with the credentials of one login, which only the engine reads.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::failure::at;
use super::program::{Kind, Program};
use super::scratch::Scratch;
use super::{PUSH, Workshop};
use crate::core::error::CloudResult;
use crate::core::image::{EcrImage, Reference};
use crate::core::operation::work::Push;
use crate::engine::Login;

impl Workshop {
    pub(super) async fn send(&self, program: &Program, push: &Push, login: &Login) -> CloudResult<()> {
        let keys = Scratch::new(self.state.as_deref(), PUSH)?;
        let file = keys.path().join("config.json");
        let target = target(&push.image, login);
        match program.kind {
            Kind::Podman => {
                keys.write(&file, &auths(&Value::Null, login))?;
                let (file, target) = (file.display().to_string(), format!("docker://{target}"));
                let mut args = vec!["push", "--authfile", &file];
                if login.plain() {
                    args.push("--tls-verify=false");
                }
                args.extend([push.id.as_str(), &target]);
                self.run(PUSH, program, &args).await
            }
            Kind::Docker => {
                // The client's folder says which engine it asks, too.
                let own = docker_folder();
                let config = own.as_ref().and_then(|own| std::fs::read(own.join("config.json")).ok());
                let config = config.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
                keys.write(&file, &auths(&config, login))?;
                if let Some(contexts) = own.map(|own| own.join("contexts")).filter(|folder| folder.is_dir()) {
                    let link = keys.path().join("contexts");
                    std::os::unix::fs::symlink(contexts, &link).map_err(|error| at(PUSH, &link, &error))?;
                }
                self.run(PUSH, program, &["tag", &push.id, &target]).await?;
                let folder = keys.path().display().to_string();
                self.run(PUSH, program, &["--config", &folder, "push", &target]).await
            }
        }
    }
}

/// The name under which an image is pushed: at the registry that the login is for.
fn target(image: &EcrImage, login: &Login) -> String {
    let (registry, repository) = (login.registry(), &image.repository);
    match &image.reference {
        Reference::Tag(tag) => format!("{registry}/{repository}:{tag}"),
        Reference::Digest(digest) => format!("{registry}/{repository}@{digest}"),
    }
}

/// The text of a file of credentials, with those of a login alone, and what else there was in `config` that says which
/// engine is asked.
fn auths(config: &Value, login: &Login) -> String {
    let auth = json!({ login.registry(): { "auth": login.token().expose_secret() } });
    let mut all = json!({ "auths": auth });
    if let Some(context) = config.get("currentContext") {
        all["currentContext"] = context.clone();
    }
    all.to_string()
}

/// The folder of Docker's client.
fn docker_folder() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn the_credentials_are_those_of_the_login_alone_and_the_engine_stays() {
        let token = SecretString::from("QVdTOmh1bnRlcjI=");
        let login = Login::new("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com", token).unwrap();
        let own = json!({ "auths": { "other": { "auth": "x" } }, "credsStore": "pass", "currentContext": "far" });
        let expected = json!({
            "auths": { "123456789012.dkr.ecr.eu-west-1.amazonaws.com": { "auth": "QVdTOmh1bnRlcjI=" } },
            "currentContext": "far",
        });
        assert_eq!(serde_json::from_str::<Value>(&auths(&own, &login)).unwrap(), expected);
    }
}
