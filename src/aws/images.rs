//! ECR: whether an image is there, and for which processors; and how an engine signs in to push one.

use async_trait::async_trait;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{ImageFailureCode, ImageIdentifier};
use secrecy::SecretString;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::convert::text;
use super::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind, Images};
use crate::core::image::{EcrImage, Found, Platform, Reference, Variant};
use crate::core::text::sanitise;
use crate::core::unread::Read;
use crate::engine::Login;

const IMAGE: &str = "ecr:BatchGetImage";
const TOKEN: &str = "ecr:GetAuthorizationToken";
const LAYER: &str = "ecr:GetDownloadUrlForLayer";
/// The kinds of manifests that ECS starts tasks from (Amazon ECR user guide, "Container image manifest format support").
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// The longest configuration of an image that is read, in bytes. It has the history of the image in it.
const LONGEST: usize = 1024 * 1024;
/// Builders list what proves an image's origin beside the images, under this name.
const NO_PLATFORM: &str = "unknown";

#[async_trait]
impl Images for AwsCloud {
    async fn image(&self, image: &EcrImage) -> CloudResult<Found> {
        self.within(IMAGE, self.read_image(image)).await
    }

    async fn registry(&self, image: &EcrImage) -> CloudResult<Login> {
        self.within(TOKEN, self.read_login(image)).await
    }
}

/// A manifest or an index of the OCI image specification, or of Docker's before it, which has the same fields.
#[derive(Deserialize)]
struct Manifest {
    manifests: Option<Vec<Entry>>,
    config: Option<Blob>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Built>,
}

#[derive(Deserialize)]
struct Blob {
    digest: String,
}

/// In an index, and in the configuration of an image.
#[derive(Deserialize)]
struct Built {
    os: String,
    architecture: String,
    /// How a container of it runs; in the configuration alone.
    #[serde(default)]
    config: Runs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Runs {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
}

impl Built {
    fn platform(&self) -> Platform {
        Platform { os: text(Some(&self.os)), architecture: text(Some(&self.architecture)) }
    }
}

impl AwsCloud {
    /// The token is the user's name and the password, as HTTP's basic authentication has them (Amazon ECR API
    /// reference, AuthorizationData).
    async fn read_login(&self, image: &EcrImage) -> CloudResult<Login> {
        let client = self.images.at(&image.region);
        let answer = client.get_authorization_token().send().await.map_err(self.failed(TOKEN))?;
        let data = answer.authorization_data().first();
        let parts = data.and_then(|data| Some((data.proxy_endpoint()?, data.authorization_token()?)));
        let (address, token) = parts.ok_or_else(|| error::garbled(TOKEN, "the answer has no token"))?;
        let wrong = || error::garbled(TOKEN, format!("{:?} is not the address of a registry", sanitise(address)));
        Login::new(address, SecretString::from(token)).ok_or_else(wrong)
    }

    async fn read_image(&self, image: &EcrImage) -> CloudResult<Found> {
        let client = self.images.at(&image.region);
        let id = ImageIdentifier::builder();
        let id = match &image.reference {
            Reference::Tag(tag) => id.image_tag(tag),
            Reference::Digest(digest) => id.image_digest(digest),
        };
        let call = client.batch_get_image().registry_id(&image.account).repository_name(&image.repository);
        let call = call.image_ids(id.build()).set_accepted_media_types(Some(MANIFESTS.map(str::to_owned).to_vec()));
        let answer = match call.send().await {
            Err(failure)
                if failure.as_service_error().is_some_and(|error| error.is_repository_not_found_exception()) =>
            {
                return Ok(Found::NoRepository);
            }
            answer => answer.map_err(self.failed(IMAGE))?,
        };
        if let Some(failure) = answer.failures().first() {
            return match failure.failure_code() {
                Some(ImageFailureCode::ImageNotFound) => Ok(Found::NoImage),
                code => {
                    let code = code.map_or("no reason given", ImageFailureCode::as_str);
                    Err(error::invalid(IMAGE, format!("{}: {}", sanitise(&image.to_string()), sanitise(code))))
                }
            };
        }
        let garbled = || error::garbled(IMAGE, "the answer has neither a manifest nor the reason why");
        let found = answer.images().first().ok_or_else(garbled)?;
        let digest = found.image_id().and_then(ImageIdentifier::image_digest).ok_or_else(garbled)?;
        let manifest: Manifest = serde_json::from_str(found.image_manifest().ok_or_else(garbled)?)
            .map_err(|_| error::garbled(IMAGE, "the manifest is none of OCI or Docker"))?;
        let digest = text(Some(digest));
        let variants = self.variants(&client, image, manifest, &digest).await;
        Ok(Found::Image { digest, variants: Read::from(variants) })
    }

    /// An index says for what its images are; a single image in its configuration.
    async fn variants(
        &self,
        client: &Client,
        image: &EcrImage,
        manifest: Manifest,
        digest: &str,
    ) -> CloudResult<Vec<Variant>> {
        if let Some(entries) = manifest.manifests {
            let variant = |entry: Entry| {
                let platform = entry.platform.filter(|built| built.os != NO_PLATFORM)?.platform();
                Some(Variant { platform, digest: text(Some(&entry.digest)), command: None, config: None })
            };
            return Ok(entries.into_iter().filter_map(variant).collect());
        }
        let config = manifest.config.ok_or_else(|| error::garbled(IMAGE, "the manifest names no configuration"))?;
        let call = client.get_download_url_for_layer().registry_id(&image.account);
        let call = call.repository_name(&image.repository).layer_digest(&config.digest);
        let answer = call.send().await.map_err(self.failed(LAYER))?;
        let url = answer.download_url().ok_or_else(|| error::garbled(LAYER, "the answer has no address"))?;
        let bytes = self.download(url).await?;
        if config.digest != format!("sha256:{}", hex(&Sha256::digest(&bytes))) {
            return Err(error::garbled(LAYER, "what came is not what the manifest names"));
        }
        let built: Built = serde_json::from_slice(&bytes)
            .map_err(|_| error::garbled(LAYER, "the configuration of the image says no processor"))?;
        let platform = built.platform();
        // One behind the other, as a container starts it (OCI image specification, "Image Configuration").
        let command = [built.config.entrypoint, built.config.cmd].into_iter().flatten().flatten().collect();
        let (digest, config) = (digest.to_owned(), Some(text(Some(&config.digest))));
        Ok(vec![Variant { platform, digest, command: Some(command), config }])
    }

    /// Fetches a small blob. Its address is signed, so that nothing of it is told.
    async fn download(&self, url: &str) -> CloudResult<Vec<u8>> {
        let broken = || CloudError::new(ErrorKind::Unreachable, LAYER, "the address that ECR gave does not answer");
        let mut answer = self.http()?.get(url).send().await.map_err(|_| broken())?;
        let status = answer.status();
        if !status.is_success() {
            return Err(CloudError::new(ErrorKind::Service, LAYER, format!("HTTP {status} from where ECR keeps it")));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| broken())? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err(error::garbled(LAYER, format!("the configuration is longer than {LONGEST} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
