//! `why`: the cause of what is wrong, what follows from it, and what helps.

use std::cmp::Reverse;

use futures::join;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::report::Report;
use super::traffic::Traffic;
use super::{Exit, Failure, Output};
use crate::cloud::{CloudResult, ErrorKind};
use crate::core::client::Client;
use crate::core::environment::names;
use crate::core::finding::{
    Cause, Finding, Gravity, drift, in_order, of_clients, of_file, of_gone, of_server, of_stacks,
};
use crate::core::fleet::Fleet;
use crate::core::health::{Verdict, verdict_by};
use crate::core::identity::Context;
use crate::core::stack::{Stack, StackDetail};
use crate::core::text::age;
use crate::core::unread::Read;
use crate::run::{Session, read, words};

/// What is known of a server, or of the environment where `server` is `None`.
struct Told {
    server: Option<String>,
    verdict: Option<Verdict>,
    findings: Vec<Finding>,
}

/// All that a diagnosis rests on, and what of it could not be read.
struct Known {
    fleet: Fleet,
    stacks: Vec<(Stack, Option<Read<StackDetail>>)>,
    /// The environment's clients, where it is asked about all of it.
    clients: Vec<Client>,
    /// How the servers' traffic does.
    traffic: Traffic,
    gaps: Vec<String>,
}

/// Prints why a server is not well, or each server and stack that is not, if none is named. The code is 0 where
/// nothing is wrong, and 1 where something is, or where not enough could be read to tell.
///
/// # Errors
/// When nothing can be read or written, or there is no such server.
pub async fn why(session: &Session, server: Option<&str>, output: Output) -> Result<Exit, Failure> {
    report(session, server).await?.print(output)
}

/// Finds out what [`why`] prints.
pub(super) async fn report(session: &Session, server: Option<&str>) -> Result<Report, Failure> {
    let mut known = Known::read(session, server).await?;
    known.traffic = Traffic::read(session, &known.fleet).await;
    known.gaps.append(&mut known.traffic.gaps);
    known.gaps.extend(words::fill(session, &mut known.fleet).await);
    let now = Timestamp::now();
    let told = match server {
        Some(name) => match known.one(session, name, now)? {
            Some(told) => vec![told],
            None => return Err(read::no_server(session, name).await.into()),
        },
        None => known.all(session, now),
    };
    let wrong = told.iter().any(|one| Cause::of(&one.findings).is_some());
    Ok(Report {
        text: text(&session.context, &told, known.gaps.is_empty(), now),
        document: document(session, &told, &known.gaps, now),
        warnings: known.gaps.iter().map(|gap| format!("not read: {gap}")).collect(),
        exit: if wrong || !known.gaps.is_empty() { Exit::Failed } else { Exit::Done },
    })
}

impl Known {
    /// Services and stacks, at the same time: those of this server, or all. One of both is enough to say something.
    async fn read(session: &Session, server: Option<&str>) -> CloudResult<Self> {
        let (fleet, stacks) = match server {
            Some(name) => {
                let (fleet, stack) = join!(read::fleet_about(session, name), read::stack_of(session, name));
                (fleet, stack.map(|stack| stack.into_iter().collect()))
            }
            None => join!(session.cloud.fleet(&session.context.cluster), read::stacks(session)),
        };
        let mut gaps = Vec::new();
        let fleet = match fleet {
            // Where the platform was never made, its stack says why.
            Err(why)
                if why.kind == ErrorKind::NotFound
                    && stacks.as_ref().is_ok_and(|stacks: &Vec<_>| !stacks.is_empty()) =>
            {
                Fleet { no_cluster: true, ..Fleet::default() }
            }
            fleet => fleet?,
        };
        gaps.extend(fleet.unread().iter().map(ToString::to_string));
        let stacks = stacks.unwrap_or_else(|why| {
            // A cluster of others has no stacks of ours, and many who may look at services may not look at stacks.
            let foreign = session.environment.is_none() && why.kind == ErrorKind::Denied;
            if !foreign && why.kind != ErrorKind::Unsupported {
                gaps.push(format!("stacks: {why}"));
            }
            Vec::new()
        });
        let mut seen = Vec::new();
        for stack in stacks {
            let detail = match stack.status.failed() {
                true => Some(session.cloud.stack_detail(&stack.id).await.into()),
                false => None,
            };
            seen.push((stack, detail));
        }
        // Secrets are the environment's, and who asks about a server has not asked for them.
        let pool = |(stack, _): &(Stack, _)| stack.outputs.contains_key("UserPoolId");
        let clients = match server.is_none() && seen.iter().any(pool) {
            true => read::clients(session).await.map(|list| list.clients),
            false => Ok(Vec::new()),
        };
        let clients = clients.unwrap_or_else(|why| {
            gaps.push(format!("clients: {why}"));
            Vec::new()
        });
        Ok(Self { fleet, stacks: seen, clients, traffic: Traffic::default(), gaps })
    }

    /// What is wrong with a server, its stack, and the stopped tasks of one that is gone; `None` if nothing is known
    /// of such a server.
    fn one(&self, session: &Session, name: &str, now: Timestamp) -> Result<Option<Told>, Failure> {
        if let Some(unreadable) = self.fleet.unreadable(name) {
            return Err(unreadable.why.clone().into());
        }
        let found = self.fleet.server(name);
        let name = found.map_or(name, |server| server.name.as_str());
        let stack = names::stack(&session.context.environment, name);
        let stacks: Vec<_> = self.stacks.iter().filter(|(one, _)| one.id.name == stack).cloned().collect();
        let gone = of_gone(name, &self.fleet.gone, now);
        if found.is_none() && stacks.is_empty() && gone.is_empty() {
            return Ok(None);
        }
        let mut findings = match found {
            // Stops before a service was made anew say nothing about it.
            Some(server) => {
                let own = of_server(server, &stacks, &self.traffic.of(session, server, now), now);
                self.traffic.below.under(name, own)
            }
            None => gone.into_iter().chain(of_stacks(&stacks)).collect(),
        };
        findings.extend(stacks.iter().flat_map(|(stack, _)| drift(found, stack)));
        in_order(&mut findings);
        let verdict = found.map(|server| verdict_by(server, &findings, now));
        Ok(Some(Told { server: Some(name.to_owned()), verdict, findings }))
    }

    /// Every server, those that are gone and whose stack failed, and the stacks that are no server's.
    fn all(&self, session: &Session, now: Timestamp) -> Vec<Told> {
        let prefix = names::stack_prefix(&session.context.environment);
        let part = |stack: &Stack| stack.id.name.strip_prefix(&prefix).unwrap_or(&stack.id.name).to_owned();
        let mut names: Vec<String> = self.fleet.servers.iter().map(|server| server.name.clone()).collect();
        let failed = self.stacks.iter().filter(|(stack, _)| stack.status.failed()).map(|(stack, _)| part(stack));
        names.extend(failed.filter(|name| !names::is_shared(name)));
        names.sort();
        names.dedup();
        let mut told: Vec<Told> = names.iter().filter_map(|name| self.one(session, name, now).ok()?).collect();
        worst_first(&mut told);
        let stacks: Vec<_> = self.stacks.iter().filter(|(stack, _)| names::is_shared(&part(stack))).cloned().collect();
        let mut findings = of_stacks(&stacks);
        findings.extend(stacks.iter().filter_map(|(stack, _)| of_file(stack)));
        findings.extend(self.traffic.raised(session, None));
        findings.extend(self.traffic.below.shared(told.iter().map(|one| one.findings.as_slice())));
        findings.extend(of_clients(&self.clients, now));
        in_order(&mut findings);
        if !findings.is_empty() {
            told.insert(0, Told { server: None, verdict: None, findings });
        }
        told
    }
}

/// The servers that serve least first, of those the gravest causes, of those the nearest to the origin, each by name: a
/// report is read from above. On Fleet they stay where they are, so that no row moves away under the cursor.
fn worst_first(told: &mut [Told]) {
    told.sort_by_key(|one| {
        let cause = Cause::of(&one.findings).map(|cause| cause.finding);
        let layer = cause.map(|finding| finding.id.layer());
        // A server that is gone serves nothing.
        let verdict = one.verdict.unwrap_or(Verdict::Down);
        (cause.is_none(), Reverse(verdict), Reverse(cause.map(|finding| finding.gravity)), layer)
    });
}

fn document(session: &Session, told: &[Told], gaps: &[String], now: Timestamp) -> Value {
    let one = |finding: &Finding, server: &Option<String>| {
        let mut document = json!(finding);
        document["layer"] = json!(finding.id.layer());
        document["fix"] = json!(finding.id.fix());
        let server = server.as_deref().unwrap_or_default();
        document["next"] = json!(finding.remedy.and_then(|remedy| remedy.command(&session.context, server)));
        document
    };
    let told = told.iter().map(|told| {
        let cause = Cause::of(&told.findings);
        let all =
            |findings: Vec<&Finding>| findings.iter().map(|finding| one(finding, &told.server)).collect::<Vec<_>>();
        let besides = cause.map_or_else(|| told.findings.iter().collect(), |cause| cause.besides().collect());
        json!({
            "server": told.server,
            "verdict": told.verdict,
            "cause": cause.map(|cause| one(cause.finding, &told.server)),
            "explains": all(cause.map(|cause| cause.explained().collect()).unwrap_or_default()),
            "besides": all(besides),
        })
    });
    json!({
        "environment": session.context.environment,
        "cluster": session.context.cluster,
        "region": session.context.region,
        "at": now,
        "subjects": told.collect::<Vec<_>>(),
        "gaps": gaps,
    })
}

/// The causes first, then in a line what is well.
fn text(context: &Context, told: &[Told], complete: bool, now: Timestamp) -> String {
    let (wrong, well): (Vec<&Told>, Vec<&Told>) = told.iter().partition(|one| Cause::of(&one.findings).is_some());
    let mut lines: Vec<String> = wrong.iter().flat_map(|one| one.lines(context, now)).collect();
    let in_what = if complete { "" } else { " in what was read" };
    let named: Vec<String> = well.iter().filter_map(|one| one.server.clone()).collect();
    if !named.is_empty() {
        lines.push(format!("nothing wrong found{in_what}: {}", named.join(", ")));
    } else if told.is_empty() {
        lines.push("there is no server here; `quarterdeck deploy` makes them".to_owned());
    }
    let notes = well.iter().flat_map(|one| one.findings.iter().map(|finding| note(one, finding)));
    lines.extend(notes);
    lines.join("\n")
}

fn note(told: &Told, finding: &Finding) -> String {
    let of = told.server.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    format!("  note      {of}{} [{}]", sentence(finding), finding.id.word())
}

fn sentence(finding: &Finding) -> String {
    let colon = if finding.evidence.is_empty() { "" } else { ": " };
    format!("{}{colon}{}", finding.fact, finding.evidence)
}

impl Told {
    fn lines(&self, context: &Context, now: Timestamp) -> Vec<String> {
        let Some(cause) = Cause::of(&self.findings) else { return Vec::new() };
        let Finding { id, fact, evidence, at, remedy, .. } = cause.finding;
        let subject = self.server.clone().unwrap_or_else(|| "the environment".to_owned());
        let word = self.verdict.map(|verdict| format!(" is {}", verdict.word())).unwrap_or_default();
        let since = at.map(|at| format!(" (since {} ago)", age(now, at))).filter(|_| !fact.contains(" ago"));
        let mut lines =
            vec![format!("{subject}{word}"), format!("  cause     {}: {fact}{}", id.word(), since.unwrap_or_default())];
        lines.extend((!evidence.is_empty()).then(|| format!("            {evidence}")));
        lines.push(format!("  fix       {}", id.fix()));
        let next = remedy.and_then(|remedy| remedy.command(context, self.server.as_deref().unwrap_or_default()));
        lines.extend(next.map(|next| format!("  next      {next}")));
        lines.extend(cause.explained().map(|other| format!("  so        {} [{}]", other.fact, other.id.word())));
        lines.extend(cause.besides().map(|other| {
            let word = if other.gravity == Gravity::Note { "note" } else { "besides" };
            format!("  {word:<9} {} [{}]", sentence(other), other.id.word())
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::finding::Id;

    #[test]
    fn the_worst_is_told_first_and_what_is_well_last() {
        let finding = |id: Id, gravity| Finding {
            id,
            gravity,
            fact: String::new(),
            evidence: String::new(),
            at: None,
            count: 1,
            remedy: None,
        };
        let server = |name: &str, verdict, found: Option<(Id, Gravity)>| Told {
            server: Some(name.to_owned()),
            verdict,
            findings: found.into_iter().map(|(id, gravity)| finding(id, gravity)).collect(),
        };
        let (degraded, down) = (Some(Verdict::Degraded), Some(Verdict::Down));
        let mut told = [
            server("a", Some(Verdict::Healthy), None),
            server("b", Some(Verdict::Healthy), Some((Id::ZonesUneven, Gravity::Note))),
            server("c", Some(Verdict::Healthy), Some((Id::ToolSlow, Gravity::Warning))),
            server("d", degraded, Some((Id::ToolFailing, Gravity::Fault))),
            server("e", degraded, Some((Id::CrashLoop, Gravity::Fault))),
            server("f", None, Some((Id::StackFailed, Gravity::Fault))),
            server("g", down, Some((Id::ImageMissing, Gravity::Fault))),
        ];
        worst_first(&mut told);
        let names: String = told.iter().filter_map(|one| one.server.as_deref()).collect();
        assert_eq!(names, "gfedcab");
    }
}
