//! The images that servers are started from.

use super::{After, Before};
use crate::core::environment::{Architecture, Environment, Template};
use crate::core::operation::deploy::StackDeploy;
use crate::core::stack::Stack;

/// An image that the tasks of a server will need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    pub server: String,
    /// The key of `quarterdeck.toml` that names it.
    pub key: String,
    pub image: String,
    /// The processor of the tasks.
    pub architecture: Architecture,
    /// Whether the deploy is what brings it, or the processor. Otherwise tasks run from it already.
    pub new: bool,
}

/// The images of all servers, with that of gangway for those that it is put in front of.
pub fn needed_images(environment: &Environment, planned: &[StackDeploy], deployed: &[Stack]) -> Vec<Needed> {
    let before = Before { environment, deployed };
    let servers = planned.iter().filter(|deploy| deploy.template == Template::Server);
    servers.flat_map(|deploy| of(&After { deploy, stack: before.of(deploy) })).collect()
}

fn of(after: &After<'_>) -> Vec<Needed> {
    let server = after.will_be("ServerName").unwrap_or_default();
    let architecture = match after.will_be("Architecture") {
        Some("X86_64") => Architecture::X86,
        _ => Architecture::Arm64,
    };
    let changes = |parameter: &str| after.stack.is_none() || after.was(parameter) != after.will_be(parameter);
    let needed = |parameter: &str, key: String| {
        let image = after.will_be(parameter).filter(|image| !image.is_empty())?.to_owned();
        let new = changes(parameter) || changes("Architecture");
        Some(Needed { server: server.to_owned(), key, image, architecture, new })
    };
    let has_front = after.will_be("App").is_some_and(|app| !app.is_empty());
    let front = has_front.then(|| needed("GangwayImage", "platform.gangway_image".to_owned())).flatten();
    needed("Image", format!("server.{server}.image")).into_iter().chain(front).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::environment::testing::{deployed, environment, planned};

    fn needed(first: &str, next: &str) -> Vec<(String, Architecture, bool)> {
        let next = environment(next);
        let stacks = if first.is_empty() { Vec::new() } else { deployed(&environment(first)) };
        let all = needed_images(&next, &planned(&next, &stacks), &stacks);
        all.into_iter().map(|one| (one.key, one.architecture, one.new)).collect()
    }

    #[test]
    fn a_server_needs_its_image_and_with_a_front_that_of_gangway() {
        let ours = "[[server]]\ngangway = true";
        let front = "[platform]\ngangway_image = 'g@sha256:1'\n[[server]]\narchitecture = 'X86_64'\n[server.app]\n\
                     transport = 'stdio'\ncommand = ['a']";
        let (image, gangway) = ("server.time.image".to_owned(), "platform.gangway_image".to_owned());
        assert_eq!(needed("", ours), [(image.clone(), Architecture::Arm64, true)]);
        assert_eq!(needed(ours, ours), [(image.clone(), Architecture::Arm64, false)]);
        let x86 = Architecture::X86;
        assert_eq!(needed("", front), [(image.clone(), x86, true), (gangway.clone(), x86, true)]);
        let other = front.replace("sha256:1", "sha256:2");
        assert_eq!(needed(front, &other), [(image, x86, false), (gangway, x86, true)]);
    }

    /// An image that was right for the processor of before may be wrong for the next.
    #[test]
    fn another_processor_makes_the_same_image_new() {
        let (first, next) = ("[[server]]\ngangway = true", "[[server]]\ngangway = true\narchitecture = 'X86_64'");
        assert_eq!(needed(first, next), [("server.time.image".to_owned(), Architecture::X86, true)]);
    }
}
