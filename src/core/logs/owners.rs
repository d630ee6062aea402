//! Whose lines lie in which log group.
//!
//! The name of a group or of a stream says little: services share groups, log to other regions, or write
//! through a router. So a line belongs to the server whose task definition names its group and the
//! beginning of its stream's name; where several do, to the one that runs its task. Where that does
//! not tell either, the line bears its group's full name instead of a server's.

use std::collections::{BTreeMap, BTreeSet};

use super::destination::{ContainerLog, Destination, FIRELENS, Streams};
use super::line::Line;
use super::query::LogEvent;
use crate::core::environment::names;
use crate::core::error::ErrorKind;
use crate::core::fleet::{Fleet, Server};
use crate::core::unread::Read;

/// The servers of a cluster and their streams in log groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    groups: BTreeMap<String, Vec<Owner>>,
    /// Server of each known task.
    tasks: BTreeMap<String, String>,
    /// Server and task of each known container.
    runtimes: BTreeMap<String, (String, String)>,
    elsewhere: Vec<Elsewhere>,
    /// Only these servers are wanted; empty is all.
    only: BTreeSet<String>,
    /// Groups that are wanted whole, whoever writes to them.
    whole: BTreeSet<String>,
    /// Servers with tasks of another task definition than the one in force.
    changing: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    server: String,
    container: String,
    streams: Streams,
}

/// The log of a container that is not read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    pub server: String,
    /// Why not, with the container's name, such as `container app logs with splunk`.
    pub why: String,
    /// The failure, where it could not be found out where the log is.
    pub unread: Option<ErrorKind>,
}

/// Where a line comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin<'a> {
    /// `None`: it cannot be told.
    pub server: Option<&'a str>,
    /// Task id, or the whole stream name where there is none in it.
    pub task: &'a str,
    /// The servers that it may be of, where several are possible.
    may_be: Vec<&'a str>,
}

impl Owners {
    /// The owners in a cluster. `environment` is the name of our environment, if the cluster is one: then a
    /// server whose task definition was not read logs to the templates' group.
    pub fn of(fleet: &Fleet, environment: Option<&str>) -> Self {
        let mut owners = Self::default();
        for server in &fleet.servers {
            owners.add(server, environment);
        }
        owners
    }

    fn add(&mut self, server: &Server, environment: Option<&str>) {
        let name = &server.name;
        for task in server.known_tasks() {
            self.tasks.insert(task.id().to_owned(), name.clone());
            let ids = task.containers.iter().filter_map(|container| container.runtime_id.clone());
            self.runtimes.extend(ids.map(|id| (id, (name.clone(), task.id().to_owned()))));
            if task.task_definition != server.task_definition {
                self.changing.insert(name.clone());
            }
        }
        match (&server.logs, environment) {
            (Read::Known(logs), _) if !logs.is_empty() => self.add_logs(name, logs),
            (_, Some(environment)) => {
                let owner = Owner { server: name.clone(), container: String::new(), streams: Streams::Any };
                self.groups.entry(names::log_group(environment, name)).or_default().push(owner);
            }
            (Read::Known(_), None) => self.not_read(name, "its task definition names no log group".into(), None),
            (Read::NotRead(error), None) => {
                self.not_read(name, format!("its task definition was not read: {error}"), Some(error.kind));
            }
        }
    }

    fn add_logs(&mut self, server: &str, logs: &[ContainerLog]) {
        let some = logs.iter().any(|log| log.group().is_some());
        for ContainerLog { container, to } in logs {
            match to {
                Destination::Group { group, streams } => {
                    let (server, container) = (server.to_owned(), container.clone());
                    let owner = Owner { server, container, streams: streams.clone() };
                    self.groups.entry(group.clone()).or_default().push(owner);
                }
                // A container beside those that log: most of them say nothing.
                Destination::Unset if some => {}
                _ => self.not_read(server, format!("container {container} logs with {}", to.words()), None),
            }
        }
    }

    fn not_read(&mut self, server: &str, why: String, unread: Option<ErrorKind>) {
        self.elsewhere.push(Elsewhere { server: server.to_owned(), why, unread });
    }

    /// The same where only these servers are wanted; none is all.
    #[must_use]
    pub fn only(self, servers: impl IntoIterator<Item = String>) -> Self {
        Self { only: servers.into_iter().collect(), ..self }
    }

    /// The same where these groups are wanted whole.
    #[must_use]
    pub fn whole(self, groups: impl IntoIterator<Item = String>) -> Self {
        Self { whole: groups.into_iter().collect(), ..self }
    }

    /// The servers that have a log group.
    pub fn servers(&self) -> BTreeSet<&str> {
        self.groups.values().flatten().map(|owner| owner.server.as_str()).collect()
    }

    /// The server that alone writes to a group, if there is one.
    pub fn only_one(&self, group: &str) -> Option<&str> {
        let (first, rest) = self.groups.get(group)?.split_first()?;
        rest.iter().all(|other| other.server == first.server).then_some(first.server.as_str())
    }

    /// The log groups of the servers that are wanted.
    pub fn groups(&self) -> Vec<String> {
        let wanted = self.groups.iter().filter(|(_, owners)| owners.iter().any(|owner| self.wanted(&owner.server)));
        wanted.map(|(group, _)| group.clone()).collect()
    }

    /// The logs of the servers that are wanted, and are not read here.
    pub fn elsewhere(&self) -> impl Iterator<Item = &Elsewhere> {
        self.elsewhere.iter().filter(|one| self.wanted(&one.server))
    }

    fn wanted(&self, server: &str) -> bool {
        self.only.is_empty() || self.only.contains(server)
    }

    /// The beginning of all stream names that are wanted of a group which others write to as well; `None`
    /// where the whole group must be read.
    pub fn prefix(&self, group: &str) -> Option<String> {
        let owners = self.groups.get(group)?;
        let (wanted, others): (Vec<&Owner>, Vec<&Owner>) = owners.iter().partition(|one| self.wanted(&one.server));
        // Tasks of another revision may have named their streams otherwise.
        let changed = wanted.iter().any(|owner| self.changing.contains(&owner.server));
        if others.is_empty() || self.whole.contains(group) || changed {
            return None;
        }
        let literals: Option<Vec<String>> = wanted.iter().map(|one| one.streams.literal(&one.container)).collect();
        let common = literals?.into_iter().reduce(|a, b| common(&a, &b).to_owned())?;
        (!common.is_empty()).then_some(common)
    }

    /// The other servers that write to the groups of those that are wanted.
    pub fn shared_with(&self) -> BTreeSet<&str> {
        let groups = self.groups();
        let all = groups.iter().flat_map(|group| &self.groups[group]);
        all.map(|owner| owner.server.as_str()).filter(|server| !self.wanted(server)).collect()
    }

    /// The groups of a server in which lines may lie that cannot be told to be its own, but may be.
    pub fn untold(&self, server: &str) -> impl Iterator<Item = &str> {
        let of = move |owners: &[Owner]| {
            let ours: Vec<&Owner> = owners.iter().filter(|owner| owner.server == server).collect();
            let alone = ours.len() == owners.len();
            let alike = |owner: &&Owner| owners.iter().any(|other| other.server != server && other.alike(owner));
            !ours.is_empty() && (alone || ours.iter().any(alike))
        };
        self.groups.iter().filter(move |(_, owners)| of(owners)).map(|(group, _)| group.as_str())
    }

    /// Where an event comes from.
    pub fn origin<'a>(&'a self, group: &str, stream: &'a str) -> Origin<'a> {
        let task = self.runtimes.get(stream).map_or_else(|| task_of(stream), |(_, task)| task.as_str());
        let fits = self.groups.get(group).into_iter().flatten();
        let fits = fits.filter_map(|owner| Some((owner.streams.fit(&owner.container, stream)?, owner)));
        let fits: Vec<(usize, &Owner)> = fits.collect();
        // The longer beginning says more: `app-` and `app-worker-` are two servers.
        let longest = fits.iter().map(|(length, _)| *length).max().unwrap_or(0);
        let best = fits.iter().filter(|(length, _)| *length == longest).map(|(_, owner)| owner.server.as_str());
        let may_be: BTreeSet<&str> = best.collect();
        let runs = self.runtimes.get(stream).map(|(server, _)| server).or_else(|| self.tasks.get(task));
        let runs = runs.map(String::as_str).filter(|server| may_be.is_empty() || may_be.contains(server));
        let mut alone = may_be.iter().copied();
        let server = match (alone.next(), alone.next()) {
            (Some(one), None) => Some(one),
            _ => runs,
        };
        Origin { server, task, may_be: may_be.into_iter().collect() }
    }

    /// Whether an event of this origin is wanted. One whose server cannot be told is, if it may be wanted.
    fn wants(&self, group: &str, origin: &Origin<'_>) -> bool {
        if self.only.is_empty() || self.whole.contains(group) {
            return true;
        }
        match origin.server {
            Some(server) => self.wanted(server),
            None if origin.may_be.is_empty() => {
                self.groups.get(group).is_none_or(|owners| owners.iter().all(|owner| self.wanted(&owner.server)))
            }
            None => origin.may_be.iter().any(|server| self.wanted(server)),
        }
    }

    /// An event as a line; `None` if it is of a server that is not wanted.
    pub fn line(&self, event: &LogEvent) -> Option<Line> {
        let origin = self.origin(&event.group, &event.stream);
        self.wants(&event.group, &origin).then(|| Line::new(event, origin.server.unwrap_or(&event.group), origin.task))
    }
}

impl Owner {
    /// Whether the names of streams do not tell the two apart.
    fn alike(&self, other: &Self) -> bool {
        match (self.streams.literal(&self.container), other.streams.literal(&other.container)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
}

/// The task's id in the name of a stream as ECS and FireLens make it; else the whole name.
pub fn task_of(stream: &str) -> &str {
    if let Some((_, id)) = stream.rsplit_once(FIRELENS)
        && !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    {
        return id;
    }
    let mut parts = stream.rsplitn(3, '/');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match (parts.next(), parts.next(), parts.next()) {
        // Lambda's streams begin with a date.
        (Some(id), Some(_), Some(prefix)) if !id.is_empty() && !prefix.split('/').all(digits) => id,
        _ => stream,
    }
}

/// What two texts begin with.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let end = a.char_indices().zip(b.chars()).find(|((_, one), other)| one != other).map(|((at, _), _)| at);
    &a[..end.unwrap_or_else(|| a.floor_char_boundary(a.len().min(b.len())))]
}

#[cfg(test)]
mod tests;
