//! ECR: repositories with tags that never move, whose images are here or in a real registry.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::registry;
use super::super::scripted::Reply;
use super::State;

/// What ECR gives an engine to sign in with: user and password, in base 64.
pub const TOKEN: &str = "QVdTOmh1bnRlcjI=";

/// The tags of a repository, each with the configuration of its image.
pub type Repository = BTreeMap<String, String>;

/// The digest of a text.
pub fn digest(text: &str) -> String {
    format!("sha256:{}", Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The manifest of an image that has nothing but a configuration.
pub fn manifest(config: &str) -> String {
    json!({ "schemaVersion": 2, "config": { "digest": digest(config), "size": config.len() }, "layers": [] })
        .to_string()
}

impl State {
    pub(super) fn ecr_call(&self, call: &str, body: &Value, url: &str) -> Option<Reply> {
        let repository = body["repositoryName"].as_str().unwrap_or_default();
        Some(match call {
            "GetAuthorizationToken" => {
                let proxy = match &self.registry {
                    Some(address) => format!("http://{address}"),
                    None => "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com".to_owned(),
                };
                Reply::json(
                    200,
                    json!({ "authorizationData": [{ "authorizationToken": TOKEN, "proxyEndpoint": proxy }] }),
                )
            }
            "BatchGetImage" | "GetDownloadUrlForLayer" if !self.repositories.contains_key(repository) => {
                Reply::error(400, "RepositoryNotFoundException", "The repository does not exist")
            }
            "BatchGetImage" => {
                let id = &body["imageIds"][0];
                let wanted = id["imageTag"].as_str().or(id["imageDigest"].as_str()).unwrap_or_default();
                Reply::json(
                    200,
                    match self.found(repository, wanted) {
                        Some(text) => {
                            json!({ "images": [{ "imageId": { "imageDigest": digest(&text) }, "imageManifest": text }] })
                        }
                        None => json!({ "failures": [{ "imageId": id, "failureCode": "ImageNotFound" }] }),
                    },
                )
            }
            "GetDownloadUrlForLayer" => {
                let layer = body["layerDigest"].as_str().unwrap_or_default();
                Reply::json(
                    200,
                    json!({ "downloadUrl": format!("{url}/layer/{repository}/{layer}?X-Amz-Signature=hush") }),
                )
            }
            path => {
                let path = path.strip_prefix("/layer/")?.split('?').next()?;
                let (repository, layer) = path.rsplit_once('/')?;
                Reply::Answer(200, self.layer(repository, layer)?)
            }
        })
    }

    fn found(&self, repository: &str, wanted: &str) -> Option<String> {
        match &self.registry {
            Some(address) => registry::get(address, &format!("/v2/{repository}/manifests/{wanted}")),
            None => {
                let tags = &self.repositories[repository];
                let config = tags.get(wanted).or_else(|| tags.values().find(|one| digest(&manifest(one)) == wanted));
                config.map(|config| manifest(config))
            }
        }
    }

    fn layer(&self, repository: &str, layer: &str) -> Option<String> {
        match &self.registry {
            Some(address) => registry::get(address, &format!("/v2/{repository}/blobs/{layer}")),
            None => self.repositories[repository].values().find(|config| digest(config) == layer).cloned(),
        }
    }
}
