//! The template parameters that the local cloud needs, and the environment that is deployed on it.

use std::collections::BTreeMap;

use crate::core::environment::{
    DeploySettings, Edge, Environment, Nat, Network, Origin, Platform, Providers, ServerSpec, names,
};

use super::engine::EngineInfo;
use super::images;

/// Name of the local environment.
pub const ENVIRONMENT: &str = "local";
/// Region of the local environment: the emulator's default.
pub const REGION: &str = "us-east-1";

/// Template parameters of the local cloud, for `core::environment::stacks`.
pub(super) fn overrides(port: u16, engine: Option<&EngineInfo>) -> BTreeMap<String, String> {
    let base = format!("http://localhost:{port}");
    let mut all = vec![
        // Clients here reach the load balancer directly, not through CloudFront.
        ("OriginGuard", "false".to_owned()),
        // ministack routes this path through the load balancer of that name.
        ("PublicBaseUrl", format!("{base}/_alb/{}", names::cluster(ENVIRONMENT))),
        // Behind a listener on port 80 a load balancer leaves the client's port out of Host.
        ("AllowedHosts", format!("localhost localhost:{port} 127.0.0.1 127.0.0.1:{port}")),
        ("TokenEndpoint", format!("{base}/oauth2/token")),
        ("AuthorizationEndpoint", format!("{base}/oauth2/authorize")),
        // It is in the images already, because the emulator knows no init containers.
        ("GangwayImage", String::new()),
    ];
    if let Some(engine) = engine {
        // The template adds the pool's id, which only the platform stack knows.
        all.push(("JwksBase", format!("http://{}:{port}", engine.host_alias)));
        all.push(("QuarantineEndpoint", format!("http://{}:{port}", engine.host_alias)));
    }
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The local environment, without the things that the emulator lacks. `built` are references by binary;
/// `upstream` is the base URL of the stand-in for the weather service.
pub(super) fn environment(built: &BTreeMap<String, String>, upstream: Option<&str>) -> Environment {
    let server = |name: &str, tasks: u32| {
        let image = built.get(&format!("mcp-{name}"))?;
        Some(ServerSpec {
            name: name.to_owned(),
            image: image.clone(),
            gangway: Some(true),
            architecture: Some(images::architecture()),
            // The same, because the emulator has no autoscaling.
            min: Some(tasks),
            max: Some(tasks),
            upstream_url: upstream.filter(|_| name == "weather").map(str::to_owned),
            log_retention_days: Some(7),
            ..ServerSpec::default()
        })
    };
    Environment {
        environment: ENVIRONMENT.to_owned(),
        region: REGION.to_owned(),
        protected: false,
        deploy: DeploySettings::default(),
        network: Network {
            zones: Some(2),
            nat: Some(Nat::None),
            flow_log_retention_days: Some(0),
            ..Network::default()
        },
        edge: Edge { log_retention_days: Some(0), ..Edge::default() },
        platform: Platform {
            origin: Some(Origin::Public),
            cognito_domain_prefix: Some(names::cluster(ENVIRONMENT)),
            access_logs: Some(false),
            // The emulator tells no events of ECS.
            event_retention_days: Some(0),
            managed_login: Some(false),
            deletion_protection: Some(false),
            capacity_providers: Some(Providers::WithCluster),
            log_retention_days: Some(7),
            ..Platform::default()
        },
        servers: [server("time", 2), server("weather", 1)].into_iter().flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> BTreeMap<String, String> {
        ["mcp-time", "mcp-weather", "nws-stub"].map(|name| (name.to_owned(), format!("localhost/{name}"))).into()
    }

    #[test]
    fn the_local_environment_is_a_valid_one() {
        let environment = environment(&images(), Some("http://10.0.0.2:8080"));
        assert_eq!(environment.validate(), Ok(()));
        let upstreams: Vec<_> = environment.servers.iter().map(|server| server.upstream_url.as_deref()).collect();
        assert_eq!(upstreams, [None, Some("http://10.0.0.2:8080")]);
    }

    #[test]
    fn without_images_there_are_no_servers() {
        assert!(environment(&BTreeMap::new(), None).servers.is_empty());
    }

    #[test]
    fn containers_are_told_the_engines_name_for_this_machine() {
        let engine = EngineInfo {
            name: "Podman".to_owned(),
            version: "4".to_owned(),
            socket: "unix:///s".to_owned(),
            host_alias: "host.containers.internal".to_owned(),
            host_address: None,
            ours: true,
        };
        let told = overrides(4888, Some(&engine));
        assert_eq!(told["PublicBaseUrl"], "http://localhost:4888/_alb/quarterdeck-local");
        assert_eq!(told["JwksBase"], "http://host.containers.internal:4888");
        assert_eq!(told["QuarantineEndpoint"], "http://host.containers.internal:4888");
        assert_eq!(told["AllowedHosts"], "localhost localhost:4888 127.0.0.1 127.0.0.1:4888");
        assert!(!overrides(4888, None).contains_key("JwksBase"));
    }
}
