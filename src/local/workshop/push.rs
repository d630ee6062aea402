//! How an image gets to a registry: with the credentials of one login, which only the engine reads.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::failure::at;
use super::program::{Kind, Program};
use super::scratch::Scratch;
use super::{PUSH, Workshop};
use crate::core::error::CloudResult;
use crate::core::image::{EcrImage, LocalImage, Platform, Reference};
use crate::core::operation::work::Push;
use crate::engine::{Engine as _, Login};

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
                if push.others.is_empty() {
                    args.extend([push.id.as_str(), &target]);
                    return self.run(PUSH, program, &args).await;
                }
                self.send_index(program, push, &args[1..], &target).await
            }
            Kind::Docker => {
                if !push.others.is_empty() {
                    return self.joins().await;
                }
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

impl Workshop {
    /// Pushes several images as one. The index is made for the push alone.
    async fn send_index(&self, program: &Program, push: &Push, flags: &[&str], target: &str) -> CloudResult<()> {
        let index = format!("localhost/quarterdeck-index:{:08x}", rand::random::<u32>());
        self.run(PUSH, program, &["manifest", "create", &index]).await?;
        let sent = async {
            for id in push.ids() {
                // An id alone would be looked for in a registry.
                let image = format!("containers-storage:{}", id.strip_prefix("sha256:").unwrap_or(id));
                self.run(PUSH, program, &["manifest", "add", &index, &image]).await?;
            }
            let args = [&["manifest", "push", "--all"], flags, &[&index, target]].concat();
            self.run(PUSH, program, &args).await
        };
        let sent = sent.await;
        // What is left of it is a name without an image of its own.
        let _ = self.run(PUSH, program, &["manifest", "rm", &index]).await;
        sent
    }

    /// The image for a platform of an index that is on this machine; `None` where the name is that of no index.
    pub(super) async fn listed(
        &self,
        program: &Program,
        name: &str,
        platform: &Platform,
    ) -> CloudResult<Option<LocalImage>> {
        if program.kind != Kind::Podman || program.says(&["manifest", "exists", name]).await.is_none() {
            return Ok(None);
        }
        let said = program.says(&["manifest", "inspect", name]).await.unwrap_or_default();
        let Some(digest) = digest_for(&said, platform) else { return Ok(None) };
        // A name with a digest has no tag.
        let tag = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        let bare = tag.map_or(name, |(bare, _)| bare);
        self.inspect(program, &format!("{bare}@{digest}")).await
    }
}

/// The digest of the image for a platform in an index.
fn digest_for(index: &str, platform: &Platform) -> Option<String> {
    let index: Value = serde_json::from_str(index).ok()?;
    let fits = |entry: &&Value| {
        entry["platform"]["os"] == *platform.os && entry["platform"]["architecture"] == *platform.architecture
    };
    Some(index["manifests"].as_array()?.iter().find(fits)?["digest"].as_str()?.to_owned())
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
