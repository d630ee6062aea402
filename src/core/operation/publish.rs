//! Brings images of servers to their registry.

use serde::{Deserialize, Serialize};

use super::deploy::StackDeploy;
use super::fact::Facts;
use super::steps::Steps;
use super::work::{Check, ImageCall, Push, Step};

/// See [`Intent::Publish`](super::Intent::Publish).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    pub environment: String,
    /// Those that their registry does not have yet. They go side by side.
    pub images: Vec<ImagePublish>,
}

/// The image of one server, or of gangway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePublish {
    /// The name of the server; that of gangway is [`GANGWAY`](crate::core::environment::names::GANGWAY).
    pub server: String,
    /// The stack of its repository; `None` where somebody else has made the repository.
    pub stack: Option<StackDeploy>,
    /// `None` where the registry has the image, and only the repository changes.
    pub push: Option<Push>,
}

impl Publish {
    pub(super) fn steps(&self, operation: &str, facts: &Facts) -> Vec<Step> {
        let mut steps = Steps::default();
        for image in &self.images {
            let stack = image.stack.as_ref();
            let made = stack.and_then(|stack| stack.steps(&mut steps, operation, facts, Vec::new()));
            let Some(push) = &image.push else { continue };
            let call = ImageCall::Push(push.clone());
            let index = steps.add(format!("push {}", push.image), call, made.into_iter().collect());
            let published = Check::Published { server: image.server.clone(), push: Box::new(push.clone()) };
            steps.add(format!("read back the digest of {}", push.image), published, vec![index]);
        }
        steps.done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::environment::Architecture;
    use crate::core::error::{CloudError, ErrorKind};
    use crate::core::image::{EcrImage, Found, Variant};
    use crate::core::operation::verify::published;
    use crate::core::operation::work::{Call, CheckState, Part, Work};
    use crate::core::unread::Read;
    use rstest::rstest;

    fn push(server: &str) -> Push {
        let name = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/quarterdeck/prod/{server}:1");
        let image = EcrImage::parse(&name).unwrap();
        Push { image, id: "sha256:c".into(), platform: Architecture::Arm64.platform(), others: Vec::new() }
    }

    #[test]
    fn each_image_is_pushed_and_read_back_beside_the_others() {
        let image = |server: &str| ImagePublish { server: server.into(), stack: None, push: Some(push(server)) };
        let publish = Publish { environment: "prod".into(), images: vec![image("files"), image("notes")] };
        let steps = publish.steps("qd-1", &Facts::new());
        let after: Vec<&[usize]> = steps.iter().map(|step| step.after.as_slice()).collect();
        assert_eq!(after, [&[] as &[usize], &[0], &[], &[2]]);
        assert!(matches!(&steps[2].work, Work::Apply(Call::Image(ImageCall::Push(sent))) if *sent == push("notes")));
        assert!(matches!(&steps[3].work, Work::Await(Check::Published { server, .. }) if server == "notes"));
    }

    #[test]
    fn where_only_the_repository_changes_nothing_is_pushed() {
        let image = ImagePublish { server: "files".into(), stack: None, push: None };
        let publish = Publish { environment: "prod".into(), images: vec![image] };
        assert!(publish.steps("qd-1", &Facts::new()).is_empty());
    }

    /// An index that stands for both, for one of them and another, and of which one was not read.
    #[rstest]
    #[case::both(&["sha256:c", "sha256:d"], "holds")]
    #[case::one_of_them(&["sha256:c", "sha256:x"], "failed")]
    #[case::not_read(&["sha256:c", ""], "unproven")]
    #[case::one_alone(&["sha256:c"], "failed")]
    fn an_index_stands_for_all_that_was_pushed(#[case] configs: &[&str], #[case] expected: &str) {
        let part = Part { id: "sha256:d".into(), platform: Architecture::X86.platform() };
        let push = Push { others: vec![part], ..push("gangway") };
        let variant = |(at, config): (usize, &&str)| Variant {
            platform: [Architecture::Arm64, Architecture::X86][at].platform(),
            digest: format!("sha256:m{at}"),
            command: None,
            config: Some((*config).to_owned()).filter(|config| !config.is_empty()),
        };
        let variants = Read::Known(configs.iter().enumerate().map(variant).collect());
        let (state, _) = published(&Found::Image { digest: "sha256:i".into(), variants }, &push);
        let word = match &state {
            CheckState::Holds(what) => {
                assert_eq!(what, "sha256:i, for linux/arm64 and linux/amd64");
                "holds"
            }
            CheckState::Unproven(_) => "unproven",
            CheckState::Failed(_) => "failed",
            other => panic!("{other:?}"),
        };
        assert_eq!(word, expected);
    }

    fn variants(config: &str) -> Read<Vec<Variant>> {
        let platform = Architecture::Arm64.platform();
        let config = Some(config.to_owned());
        Read::Known(vec![Variant { platform, digest: "sha256:m".into(), command: None, config }])
    }

    #[rstest]
    #[case::there(Found::Image { digest: "sha256:m".into(), variants: variants("sha256:c") }, "holds", true)]
    #[case::another(Found::Image { digest: "sha256:m".into(), variants: variants("sha256:x") }, "failed", false)]
    #[case::not_read(
        Found::Image { digest: "sha256:m".into(), variants: Read::NotRead(CloudError::new(ErrorKind::Denied, "x", "no")) },
        "unproven",
        true
    )]
    #[case::not_there(Found::NoImage, "doubtful", false)]
    fn the_digest_is_what_the_registry_says(#[case] found: Found, #[case] expected: &str, #[case] learnt: bool) {
        let (state, digest) = published(&found, &push("files"));
        let word = match state {
            CheckState::Holds(_) => "holds",
            CheckState::Unproven(_) => "unproven",
            CheckState::Pending(_) => "pending",
            CheckState::Doubtful(_) => "doubtful",
            CheckState::Failed(_) | CheckState::Cancelled { .. } => "failed",
        };
        assert_eq!((word, digest.as_deref()), (expected, learnt.then_some("sha256:m")));
    }
}
