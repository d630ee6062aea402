//! Whether a server answers at its public address, and if not, at which hop on the way the request ends.

use serde_json::Value;

/// What came of asking a server's public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The server has answered.
    Answered,
    /// Something on the way did not pass the request on, or the server has answered wrongly.
    Broken(Broken),
}

/// Where a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub hop: Hop,
    /// What was seen there, sanitised.
    pub why: String,
}

/// The hops between a client and a server, in the order in which a request passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hop {
    /// The name of the address.
    Dns,
    /// CloudFront with its web ACL.
    Edge,
    /// The load balancer, as CloudFront reaches it.
    Origin,
    /// The tasks, as the load balancer reaches them.
    Target,
    /// The answer of a task, on its way back to the load balancer.
    Reply,
    /// The server itself.
    Server,
}

impl Hop {
    /// What to look at when a request ends there.
    pub fn look_at(self) -> &'static str {
        match self {
            Self::Dns => {
                "the name does not resolve: a new distribution takes some minutes; a domain of your own needs a record \
                 for the distribution's name"
            }
            Self::Edge => {
                "look at the edge: the web ACL's log (aws-waf-logs-…, us-east-1), and whether the distribution is \
                 enabled and knows this domain"
            }
            Self::Origin => {
                "look at the origin: the load balancer's security group must admit CloudFront's prefix list, its \
                 listener must have a rule for the path, and a VPC origin must be deployed"
            }
            Self::Target => "look at the targets: the load balancer has no healthy task that answers in time",
            Self::Reply => {
                "look at the server: it closes connections before the load balancer has its answer, so its keep-alive must be \
                 longer than the load balancer's idle timeout, or it crashes"
            }
            Self::Server => "look at the server's log: a task has answered, but not with its metadata",
        }
    }
}

/// How a request ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The name does not resolve.
    NoName,
    /// Nothing listens.
    Refused,
    /// The certificate is not for this name, or nobody vouches for it.
    Certificate,
    TimedOut,
    /// The connection broke.
    Broken,
}

/// An answer of a public address.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub status: u16,
    /// The header `server`.
    pub server: Option<&'a str>,
    /// The header `x-cache`, which CloudFront sets.
    pub cache: Option<&'a str>,
    /// The body, as far as it was read.
    pub body: &'a [u8],
}

/// The URL of the protected resource metadata of a resource (RFC 9728 section 3.1): the well-known part goes
/// between host and path. `None` if this is no URL with a host.
pub fn metadata_url(resource: &str) -> Option<String> {
    let (scheme, rest) = resource.split_once("://")?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = if path == "/" { "" } else { path };
    (!host.is_empty()).then(|| format!("{scheme}://{host}/.well-known/oauth-protected-resource{path}"))
}

/// Judges an answer to a request for the metadata of `resource`.
///
/// A load balancer says so in `server`, also through CloudFront; what CloudFront answers by itself bears
/// CloudFront's name (CloudFront developer guide, "Troubleshooting error response status codes"). A load balancer says 502
/// where the target closed the connection or its answer is none, 503 without a target, and 504 where one is too slow
/// (Application Load Balancers, "Troubleshoot your Application Load Balancers").
pub fn judge(answer: Answer<'_>, resource: &str) -> Reach {
    let broken = |hop, why: String| Reach::Broken(Broken { hop, why });
    let from = |name: &str| answer.server.is_some_and(|server| server.to_ascii_lowercase().starts_with(name));
    let status = answer.status;
    match status {
        200 => match named(answer.body) {
            Some(found) if found == resource => Reach::Answered,
            Some(_) => broken(Hop::Server, "HTTP 200 with the metadata of another resource".to_owned()),
            None => broken(Hop::Server, "HTTP 200 without metadata".to_owned()),
        },
        502 if from("awselb") => broken(Hop::Reply, "HTTP 502 from the load balancer".to_owned()),
        503 | 504 if from("awselb") => broken(Hop::Target, format!("HTTP {status} from the load balancer")),
        _ if from("awselb") => broken(Hop::Origin, format!("HTTP {status} from the load balancer")),
        502..=504 if from("cloudfront") => {
            broken(Hop::Origin, format!("HTTP {status} from CloudFront: it cannot reach the load balancer"))
        }
        _ if from("cloudfront") => broken(Hop::Edge, format!("HTTP {status} from CloudFront")),
        502..=504 if answer.cache.is_none() => broken(Hop::Target, format!("HTTP {status}")),
        _ => broken(Hop::Server, format!("HTTP {status}")),
    }
}

/// The resource that a document of metadata is about.
fn named(body: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(body).ok()?;
    Some(document.get("resource")?.as_str()?.to_owned())
}

/// Judges that there was no answer.
pub fn judge_silence(silence: Silence, host: &str) -> Broken {
    let (hop, why) = match silence {
        Silence::NoName => (Hop::Dns, format!("{host} does not resolve")),
        Silence::Refused => (Hop::Edge, format!("{host} refuses connections")),
        Silence::Certificate => (Hop::Edge, format!("the certificate of {host} is not accepted")),
        Silence::TimedOut => (Hop::Edge, format!("{host} does not answer in time")),
        Silence::Broken => (Hop::Edge, format!("the connection to {host} broke")),
    };
    Broken { hop, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const RESOURCE: &str = "https://d1.cloudfront.net/time/mcp";

    #[rstest]
    #[case(RESOURCE, Some("https://d1.cloudfront.net/.well-known/oauth-protected-resource/time/mcp"))]
    #[case("http://localhost:80", Some("http://localhost:80/.well-known/oauth-protected-resource"))]
    #[case("https://a.example/", Some("https://a.example/.well-known/oauth-protected-resource"))]
    #[case("https:///mcp", None)]
    #[case("-", None)]
    fn the_metadata_lie_between_host_and_path(#[case] resource: &str, #[case] url: Option<&str>) {
        assert_eq!(metadata_url(resource).as_deref(), url);
    }

    #[rstest]
    #[case::it_answers(200, None, r#"{"resource":"https://d1.cloudfront.net/time/mcp"}"#, None)]
    #[case::another_server(200, None, r#"{"resource":"https://d1.cloudfront.net/weather/mcp"}"#, Some(Hop::Server))]
    #[case::a_page(200, None, "<html>", Some(Hop::Server))]
    #[case::no_healthy_target(503, Some("awselb/2.0"), "<html>", Some(Hop::Target))]
    #[case::the_target_is_slow(504, Some("awselb/2.0"), "", Some(Hop::Target))]
    #[case::the_target_closes_too_early(502, Some("awselb/2.0"), "<html>", Some(Hop::Reply))]
    #[case::no_rule_for_the_path(404, Some("awselb/2.0"), r#"{"error":"not_found"}"#, Some(Hop::Origin))]
    #[case::a_security_group_refuses_cloudfront(504, Some("CloudFront"), "<html>", Some(Hop::Origin))]
    #[case::the_origin_is_gone(502, Some("CloudFront"), "<html>", Some(Hop::Origin))]
    #[case::the_web_acl_blocks(403, Some("CloudFront"), "<html>", Some(Hop::Edge))]
    #[case::too_many_requests(429, Some("CloudFront"), "", Some(Hop::Edge))]
    #[case::a_local_load_balancer(503, Some("hypercorn-h11"), "", Some(Hop::Target))]
    #[case::a_redirect(302, None, "", Some(Hop::Server))]
    #[case::a_server_without_metadata(404, None, "", Some(Hop::Server))]
    fn the_answer_tells_where_a_request_ended(
        #[case] status: u16,
        #[case] server: Option<&str>,
        #[case] body: &str,
        #[case] hop: Option<Hop>,
    ) {
        let answer = Answer { status, server, cache: None, body: body.as_bytes() };
        let found = match judge(answer, RESOURCE) {
            Reach::Answered => None,
            Reach::Broken(broken) => Some(broken.hop),
        };
        assert_eq!(found, hop);
    }

    #[rstest]
    #[case(Silence::NoName, Hop::Dns)]
    #[case(Silence::Refused, Hop::Edge)]
    #[case(Silence::Certificate, Hop::Edge)]
    #[case(Silence::TimedOut, Hop::Edge)]
    fn a_silence_tells_too(#[case] silence: Silence, #[case] hop: Hop) {
        let broken = judge_silence(silence, "d1.cloudfront.net");
        assert_eq!(broken.hop, hop);
        assert!(broken.why.contains("d1.cloudfront.net"), "{}", broken.why);
    }
}
