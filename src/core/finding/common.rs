//! The one cause of what is wrong with several servers.

use std::collections::BTreeMap;

use super::{Cause, Finding, Id};

/// A server, or what all servers share where `server` is `None`, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject<'a> {
    pub server: Option<&'a str>,
    /// In the order of [`in_order`](super::in_order).
    pub findings: Vec<Finding>,
}

/// A cause that explains what else is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Common<'a> {
    /// Where it was found: a server, or what all share.
    pub server: Option<&'a str>,
    pub finding: &'a Finding,
    /// How many other servers have it, too, or are not well because of it.
    pub others: usize,
    /// How many other findings of its own subject follow from it.
    pub explains: usize,
}

/// The cause that explains the other ones, if there is one: what is wrong with what all share, unless that comes of a
/// server, as the load balancer's errors do where one has no target; else what is wrong with the only server that is not
/// well, or with most of those that are not. Where servers have different causes, none explains the others.
pub fn common<'a>(subjects: &'a [Subject<'a>]) -> Option<Common<'a>> {
    let mut causes: Vec<(Option<&str>, Cause<'a>)> =
        subjects.iter().filter_map(|one| Some((one.server, Cause::of(&one.findings)?))).collect();
    let of = |(server, cause): (Option<&'a str>, Cause<'a>), others| Common {
        server,
        finding: cause.finding,
        others,
        explains: cause.explained().count(),
    };
    if let Some(&shared) = causes.iter().find(|(server, _)| server.is_none()) {
        let because =
            |(server, other): &&(Option<&str>, Cause<'_>)| server.is_some() && follows(shared.1.finding, other.finding);
        let of_one = causes.iter().any(|(_, other)| other.finding.explains(shared.1.finding));
        if !of_one {
            return Some(of(shared, causes.iter().filter(because).count()));
        }
        causes.retain(|(server, _)| server.is_some());
    }
    let mut kinds: BTreeMap<Id, Vec<(Option<&str>, Cause<'a>)>> = BTreeMap::new();
    causes.iter().for_each(|&one| kinds.entry(one.1.finding.id).or_default().push(one));
    let most = kinds.into_values().find(|alike| alike.len() * 2 > causes.len())?;
    let (first, others) = most.split_first()?;
    Some(of(*first, others.len()))
}

/// Whether a server's cause comes of what all share, or is the same.
fn follows(shared: &Finding, other: &Finding) -> bool {
    shared.explains(other) || (shared.id, &shared.fact) == (other.id, &other.fact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::finding::Gravity;
    use rstest::rstest;

    fn finding(id: Id) -> Finding {
        Finding::new(id, Gravity::Fault, id.word(), "")
    }

    fn subject<'a>(server: &'a str, words: &str) -> Subject<'a> {
        let id = |word: &str| Id::ALL.iter().copied().find(|id| id.word() == word).expect("an id");
        let server = (server != "shared").then_some(server);
        Subject { server, findings: words.split_whitespace().map(id).map(finding).collect() }
    }

    #[rstest]
    #[case::nothing_wrong(&[("a", ""), ("b", "")], None)]
    #[case::one_server(&[("a", "out-of-memory tasks-missing"), ("b", "")], Some(("a", Id::OutOfMemory, 0, 1)))]
    #[case::all_alike(&[("a", "image-missing"), ("b", "image-missing"), ("c", "image-missing")], Some(("a", Id::ImageMissing, 2, 0)))]
    #[case::most_alike(&[("a", "crash"), ("b", "quota"), ("c", "quota")], Some(("b", Id::Quota, 1, 0)))]
    #[case::different(&[("a", "crash"), ("b", "quota")], None)]
    #[case::half_alike(&[("a", "quota"), ("b", "quota"), ("c", "crash"), ("d", "drift")], None)]
    #[case::shared(&[("shared", "stack-stuck"), ("a", "tasks-missing"), ("b", "quota")], Some(("shared", Id::StackStuck, 1, 0)))]
    #[case::of_one_server(&[("shared", "balancer-errors alarm"), ("a", "crash-loop"), ("b", "")], Some(("a", Id::CrashLoop, 0, 0)))]
    #[case::of_two_servers(&[("shared", "alarm"), ("a", "crash-loop"), ("b", "quota")], None)]
    #[case::of_no_server(&[("shared", "balancer-errors alarm"), ("a", "zones-uneven")], Some(("shared", Id::BalancerErrors, 0, 1)))]
    #[case::below_all(&[("shared", "aws-issue"), ("a", "aws-issue capacity"), ("b", "image-missing"), ("c", "capacity")], Some(("shared", Id::AwsIssue, 2, 0)))]
    fn the_cause_of_several(#[case] given: &[(&str, &str)], #[case] expected: Option<(&str, Id, usize, usize)>) {
        let subjects: Vec<Subject<'_>> = given.iter().map(|(server, ids)| subject(server, ids)).collect();
        let found = common(&subjects);
        let told = found.map(|one| (one.server.unwrap_or("shared"), one.finding.id, one.others, one.explains));
        assert_eq!(told, expected);
    }
}
