//! The stand-in for the weather service. It runs in a container beside the servers, so that it needs no
//! port of this machine.

use serde_json::{Value, json};

use super::binaries::NWS_STUB;
use super::dirs::Dirs;
use super::engine::Api;
use super::error::LocalError;

const PORT: u16 = 8080;

/// The label, `key=value`, of containers that we start ourselves.
pub(super) fn label(dirs: &Dirs) -> String {
    format!("quarterdeck.local={}", dirs.identity())
}

/// Starts it, unless it runs already from exactly this image. Returns its base URL.
pub(super) async fn ensure(api: &Api, dirs: &Dirs, image: &str) -> Result<String, LocalError> {
    let wanted = api.get(&format!("/images/{image}/json")).await?;
    for container in api.containers(&[&label(dirs)]).await? {
        let found = api.get(&format!("/containers/{}/json", container.id)).await?;
        if container.state == "running"
            && found["Image"] == wanted["Id"]
            && let Some(address) = address(&found)
        {
            return Ok(url(address));
        }
        api.remove(&container.id).await?;
    }
    let id = api.run(&format!("quarterdeck-{NWS_STUB}-{}", dirs.identity()), &spec(dirs, image)).await?;
    let started = api.get(&format!("/containers/{id}/json")).await?;
    address(&started).map(url).ok_or_else(|| LocalError::Engine {
        endpoint: image.to_owned(),
        reason: format!("the container has no address; its state is {}", started["State"]["Status"]),
    })
}

/// Its base URL, if it runs.
pub(super) async fn found(api: &Api, dirs: &Dirs) -> Result<Option<String>, LocalError> {
    for container in api.containers(&[&label(dirs)]).await? {
        let found = api.get(&format!("/containers/{}/json", container.id)).await?;
        if container.state == "running"
            && let Some(address) = address(&found)
        {
            return Ok(Some(url(address)));
        }
    }
    Ok(None)
}

fn spec(dirs: &Dirs, image: &str) -> Value {
    json!({
        "Image": image,
        "Cmd": [format!("0.0.0.0:{PORT}")],
        "Labels": { "quarterdeck.local": dirs.identity() },
        "HostConfig": { "ReadonlyRootfs": true, "CapDrop": ["ALL"] },
    })
}

fn address(container: &Value) -> Option<&str> {
    let settings = &container["NetworkSettings"];
    let of_networks = settings["Networks"].as_object().into_iter().flat_map(|all| all.values());
    let mut all = std::iter::once(settings).chain(of_networks).filter_map(|one| one["IPAddress"].as_str());
    all.find(|address| !address.is_empty())
}

fn url(address: &str) -> String {
    format!("http://{address}:{PORT}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_container_is_found_with_and_without_networks() {
        let direct = json!({ "NetworkSettings": { "IPAddress": "10.0.0.2", "Networks": {} } });
        assert_eq!(address(&direct), Some("10.0.0.2"));
        let network =
            json!({ "NetworkSettings": { "IPAddress": "", "Networks": { "bridge": { "IPAddress": "10.0.0.3" } } } });
        assert_eq!(address(&network), Some("10.0.0.3"));
        assert_eq!(address(&json!({ "NetworkSettings": { "IPAddress": "" } })), None);
    }
}
