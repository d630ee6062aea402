//! Who checks the tokens of a server. Neither the load balancer nor CloudFront does: an image that does not, and
//! that has nothing in front of it, would be open to everybody.

use super::{After, Before};
use crate::core::environment::{Environment, ServerSpec, Sessions, Template};
use crate::core::error::{ErrorKind, Refusal};
use crate::core::operation::deploy::StackDeploy;
use crate::core::stack::Stack;

/// Refuses servers whose callers nobody would check, and such that gangway cannot be put in front of.
/// `in_image` says that the images have gangway in front already, as those of the local cloud do.
///
/// # Errors
/// Names the server, what is missing, and the way out.
pub fn check_front(
    environment: &Environment,
    planned: &[StackDeploy],
    deployed: &[Stack],
    in_image: bool,
) -> Result<(), Refusal> {
    let before = Before { environment, deployed };
    for deploy in planned.iter().filter(|deploy| deploy.template == Template::Server) {
        let after = After { deploy, stack: before.of(deploy) };
        let Some(spec) = after.will_be("ServerName").and_then(|name| environment.server(name)) else { continue };
        check_tokens(&after, spec)?;
        if !in_image && after.will_be("App").is_some_and(|app| !app.is_empty()) {
            check_parts(&after, spec)?;
        }
    }
    Ok(())
}

/// An image without `[server.app]` must be built on gangway: the file says so, or one of the same repository is
/// deployed that way already.
fn check_tokens(after: &After<'_>, spec: &ServerSpec) -> Result<(), Refusal> {
    let stays = after.stack.is_some_and(|stack| {
        let image = stack.parameters.get("Image").map(|image| repository(image));
        image == Some(repository(&spec.image))
    });
    let kept = after.will_be("App").is_some_and(|app| !app.is_empty());
    let built = spec.gangway.unwrap_or(stays);
    if spec.app.is_some() || kept || built {
        return Ok(());
    }
    let (name, image) = (&spec.name, &spec.image);
    let why = format!(
        "server.{name}: nothing says that {image} checks the tokens of its callers, and neither the load balancer nor \
         CloudFront does: it would be open to everybody"
    );
    Err(Refusal::new(ErrorKind::Invalid, why).with_hint(format!(
        "add [server.app] with its transport, which puts gangway in front of it (docs/bring-your-server.md); or, if the \
         image is built on the library gangway, say gangway = true under [[server]] of {name}"
    )))
}

/// What gangway needs to be put in front of an image on AWS.
fn check_parts(after: &After<'_>, spec: &ServerSpec) -> Result<(), Refusal> {
    let name = &spec.name;
    let missing = |parameter| after.will_be(parameter).is_none_or(str::is_empty);
    if missing("GangwayImage") {
        let why =
            format!("platform.gangway_image: {name} has [server.app], and nothing says which image has gangway in it");
        return Err(Refusal::new(ErrorKind::Invalid, why)
            .with_hint("push the image of gangway to your registry (servers/README.md) and name it there, by digest"));
    }
    if missing("AppCommand") {
        let why = format!(
            "server.{name}.app.command: ECS takes no command from an image where it puts another program in front, so \
             the file has to say it"
        );
        let image = &spec.image;
        return Err(Refusal::new(ErrorKind::Invalid, why).with_hint(format!(
            "docker image inspect --format '{{{{json .Config.Entrypoint}}}} {{{{json .Config.Cmd}}}}' {image} tells it: the \
             one behind the other, as one list"
        )));
    }
    Ok(())
}

/// An image without its tag and its digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

/// What the operator should know of a server that knows nothing of gangway.
pub(super) fn caution(after: &After<'_>, environment: &Environment) -> Option<String> {
    let spec = after.will_be("ServerName").and_then(|name| environment.server(name))?;
    let new = spec.app.is_some() && after.stack.is_none();
    new.then(|| {
        format!(
            "{}: gangway answers for its callers what it asks of them (sampling, elicitation, roots): that there is no \
             such thing",
            spec.name
        )
    })
}

/// What a caller of its own session loses where there are several tasks: any of them answers any request.
pub(super) fn session_caution(after: &After<'_>, environment: &Environment) -> Option<String> {
    let spec = after.will_be("ServerName").and_then(|name| environment.server(name))?;
    let own = spec.app.as_ref()?.sessions == Some(Sessions::PerCaller);
    let most: u32 = after.will_be("MaxCount")?.parse().ok()?;
    (own && most > 1).then(|| {
        format!(
            "{}: each of up to {most} tasks has sessions of its own, and any of them answers a caller's next request: what \
             the server keeps for a caller is not there each time; set min = 1 and max = 1, or let it keep that elsewhere",
            spec.name
        )
    })
}

/// Servers whose secret variables CloudFormation may empty: it may write what a template says of a Secret again when
/// another property of it changes, and its key is one.
pub(super) fn rewritten(before: &Before<'_>, planned: &[StackDeploy]) -> Option<String> {
    let platform = planned.iter().find(|deploy| deploy.template == Template::Platform)?;
    let platform = After { deploy: platform, stack: before.of(platform) };
    platform.change("Encryption")?;
    let has_app = |deploy: &&StackDeploy| {
        let after = After { deploy, stack: before.of(deploy) };
        after.was("App").is_some_and(|app| !app.is_empty())
    };
    let servers: Vec<&str> =
        planned.iter().filter(has_app).filter_map(|deploy| Some(deploy.service.as_ref()?.service.as_str())).collect();
    (!servers.is_empty()).then(|| {
        format!(
            "{}: the key of their Secrets changes, and CloudFormation may empty them then: look at `quarterdeck secret \
             list` afterwards; what was there stays in the version AWSPREVIOUS",
            servers.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::environment::testing::{deployed, environment, planned};
    use rstest::rstest;

    const APP: &str = "[server.app]\ntransport = 'stdio'\ncommand = ['a']";
    const PLATFORM: &str = "[platform]\ngangway_image = 'gangway@sha256:1'\n";

    /// What is deployed (an empty text is nothing), and what the file says next.
    fn check(first: &str, next: &str, in_image: bool) -> Option<Refusal> {
        let next = environment(next);
        next.validate().unwrap();
        let stacks = if first.is_empty() { Vec::new() } else { deployed(&environment(first)) };
        check_front(&next, &planned(&next, &stacks), &stacks, in_image).err()
    }

    #[rstest]
    #[case::nothing_said("", "[[server]]\ngangway = false", Some("open to everybody"))]
    #[case::ours("", "[[server]]\ngangway = true", None)]
    #[case::in_front("", &format!("{PLATFORM}[[server]]\n{APP}"), None)]
    #[case::no_gangway("", &format!("[[server]]\n{APP}"), Some("platform.gangway_image"))]
    #[case::no_command(
        "",
        &format!("{PLATFORM}[[server]]\n[server.app]\ntransport = 'stdio'"),
        Some("server.time.app.command")
    )]
    #[case::deployed_before("[[server]]\ngangway = true", "[[server]]\n# gangway: not said", None)]
    #[case::now_denied("[[server]]\ngangway = true", "[[server]]\ngangway = false", Some("open to everybody"))]
    #[case::front_stays(&format!("{PLATFORM}[[server]]\n{APP}"), "[[server]]\n# gangway: not said", None)]
    #[case::rebuilt(&format!("{PLATFORM}[[server]]\n{APP}"), "[[server]]\ngangway = true", None)]
    fn a_server_whose_tokens_nobody_checks_is_refused(
        #[case] first: &str,
        #[case] next: &str,
        #[case] why: Option<&str>,
    ) {
        let refusal = check(first, next, false);
        assert_eq!(refusal.is_some(), why.is_some(), "{refusal:?}");
        if let (Some(refusal), Some(why)) = (refusal, why) {
            assert!(refusal.to_string().contains(why) && refusal.hint.is_some(), "{refusal}");
        }
    }

    /// One of another repository is another server, whoever made the one before.
    #[test]
    fn another_image_is_not_taken_for_the_deployed_one() {
        let stacks = deployed(&environment("[[server]]\ngangway = true"));
        let mut next = environment("[[server]]\n# gangway: not said");
        let judged = |next: &Environment| check_front(next, &planned(next, &stacks), &stacks, false);
        next.servers[0].image = "mcp-time@sha256:2".into();
        assert_eq!(judged(&next), Ok(()));
        next.servers[0].image = "stranger/mcp-time:1".into();
        let refusal = judged(&next).unwrap_err();
        assert!(refusal.why.contains("stranger/mcp-time:1"), "{refusal}");
        assert!(refusal.hint.unwrap().contains("gangway = true"));
    }

    #[test]
    fn images_that_have_gangway_in_front_need_neither_image_nor_command() {
        let text = "[[server]]\n[server.app]\ntransport = 'stdio'";
        assert!(check("", text, false).is_some());
        assert_eq!(check("", text, true), None);
    }

    #[rstest]
    #[case("a/b:1", "a/b")]
    #[case("a/b@sha256:1", "a/b")]
    #[case("a:5000/b", "a:5000/b")]
    #[case("a:5000/b:1@sha256:2", "a:5000/b")]
    fn a_repository_is_an_image_without_tag_and_digest(#[case] image: &str, #[case] name: &str) {
        assert_eq!(repository(image), name);
    }

    #[test]
    fn what_a_new_server_cannot_ask_of_its_callers_is_told_once() {
        let next = environment(&format!("{PLATFORM}[[server]]\n{APP}"));
        let tell = |stacks: &[Stack]| super::super::cautions(&next, &planned(&next, stacks), stacks).join("\n");
        assert!(tell(&[]).contains("sampling"));
        assert!(!tell(&deployed(&next)).contains("sampling"));
    }

    #[test]
    fn a_new_key_for_secrets_that_may_be_emptied_is_told() {
        let first = format!("[platform]\nencryption = false\ngangway_image = 'g'\n[[server]]\n{APP}");
        let stacks = deployed(&environment(&first));
        let tell = |text: &str| {
            let next = environment(text);
            super::super::cautions(&next, &planned(&next, &stacks), &stacks).join("\n")
        };
        assert!(tell(&first.replace("false", "true")).contains("AWSPREVIOUS"));
        assert!(!tell(&first).contains("AWSPREVIOUS"));
    }
}
