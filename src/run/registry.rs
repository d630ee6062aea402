//! What a registry has of an image.

use super::Session;
use crate::cloud::CloudResult;
use crate::core::image::{EcrImage, Found, Reference, Variant};
use crate::core::unread::Read;

/// The image of a name, with the configuration of each image that an index stands for: by that an engine knows them. One
/// that cannot be read stays unknown.
pub(super) async fn image(session: &Session, image: &EcrImage) -> CloudResult<Found> {
    let found = session.cloud.image(image).await?;
    let Found::Image { digest, variants: Read::Known(variants) } = found else { return Ok(found) };
    let mut all = Vec::new();
    for variant in variants {
        let config = match variant.config {
            Some(config) => Some(config),
            None => {
                let one = EcrImage { reference: Reference::Digest(variant.digest.clone()), ..image.clone() };
                session.cloud.image(&one).await.ok().and_then(only_config)
            }
        };
        all.push(Variant { config, ..variant });
    }
    Ok(Found::Image { digest, variants: Read::Known(all) })
}

/// The configuration of a single image.
fn only_config(found: Found) -> Option<String> {
    let Found::Image { variants: Read::Known(variants), .. } = found else { return None };
    variants.into_iter().next()?.config
}
