//! ECS: services, tasks and task definitions.

mod settings;
pub(super) mod shown;

use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::types::{self as sdk, ClusterField, DesiredStatus, SortOrder, TaskDefinitionStatus};
use futures::{StreamExt, TryStreamExt, stream};

use self::shown::{cluster_of, service, task, task_definition};
use super::convert::{some_text, text};
use super::elb::Balancers;
use super::fleet::newest_first;
use super::pacer::Api;
use super::{AwsCloud, error};
use crate::cloud::{CloudError, CloudResult, ErrorKind};
use crate::core::destination::Cluster;
use crate::core::fleet::{Server, ServiceStatus, Task, TaskDefinition, Unreadable};
use crate::core::operation::Announced;

/// Most services in one call of DescribeServices (ECS API reference).
pub(super) const SERVICES_AT_ONCE: usize = 10;
/// Most tasks in one call of DescribeTasks (ECS API reference).
const TASKS_AT_ONCE: usize = 100;
/// Most clusters in one call of DescribeClusters (ECS API reference).
const CLUSTERS_AT_ONCE: usize = 100;
/// Characters of a task's id, all of them hexadecimal (ECS developer guide, "Amazon Resource Names and IDs").
const TASK_ID: usize = 32;
/// Calls of one kind that are made at the same time.
const TOGETHER: usize = 4;
/// The call that reads services.
const SERVICES: &str = "ecs:DescribeServices";
/// The call that reads a cluster.
const CLUSTERS: &str = "ecs:DescribeClusters";
/// Revisions that are named where a rollback has none to go back to.
const REVISIONS: usize = 20;
/// Most entries on one page of ListServices, ListTasks and ListTaskDefinitions (ECS API reference).
const PAGE: i32 = 100;
/// Pages after which a list is taken for one that does not end. A cluster has 5,000 services at most, and a service
/// 5,000 tasks (Amazon ECS service quotas).
const PAGES: usize = 1_000;

/// A service, and the load balancers that it names.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) server: Server,
    pub(super) balancers: Balancers,
}

/// What DescribeServices says: services, and those that it could not describe.
#[derive(Default)]
pub(super) struct Described {
    pub(super) services: Vec<Service>,
    pub(super) unreadable: Vec<Unreadable>,
}

impl Described {
    fn of(parts: Vec<Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.services.extend(part.services);
            all.unreadable.extend(part.unreadable);
        }
        all
    }

    fn not_read(arns: Vec<String>, why: &CloudError) -> Self {
        let unreadable = arns.into_iter().map(|arn| unreadable(&arn, why.clone())).collect();
        Self { services: Vec::new(), unreadable }
    }
}

impl AwsCloud {
    /// The services of a cluster as they are in its list, by ARN. `page` is called with those of each page as it comes:
    /// a page is asked for with a token of the one before, so that a long list takes a round trip for each.
    pub(super) async fn listed(&self, cluster: &str, page: &(dyn Fn(&[String]) + Sync)) -> CloudResult<Vec<String>> {
        let arns = self.service_arns(cluster, page).await?;
        if arns.is_empty() {
            self.require_cluster(cluster).await?;
        }
        Ok(arns)
    }

    /// All services of a cluster, without tasks, targets and bounds.
    pub(super) async fn described(&self, cluster: &str) -> CloudResult<Described> {
        let arns = self.listed(cluster, &|_| ()).await?;
        let chunks: Vec<Vec<String>> = arns.chunks(SERVICES_AT_ONCE).map(<[String]>::to_vec).collect();
        let described = stream::iter(chunks).map(|chunk| self.describe_all(cluster, chunk));
        let parts: Vec<Described> = described.buffered(TOGETHER).try_collect().await?;
        let all = Described::of(parts);
        // Where not one could be read, that is what went wrong. One that is missing has just been deleted.
        match all.unreadable.iter().find(|one| one.why.kind != ErrorKind::NotFound) {
            Some(first) if all.services.is_empty() => Err(first.why.clone()),
            _ => Ok(all),
        }
    }

    /// Services of a cluster by name or ARN. One that is not there, or was deleted, is left out.
    pub(super) async fn described_of(&self, cluster: &str, names: &[String]) -> CloudResult<Described> {
        let mut names: Vec<String> = names.iter().map(|name| last_part(name).to_owned()).collect();
        names.sort();
        names.dedup();
        let chunks: Vec<Vec<String>> = names.chunks(SERVICES_AT_ONCE).map(<[String]>::to_vec).collect();
        let described = stream::iter(chunks).map(|chunk| self.describe_all(cluster, chunk));
        let mut all = Described::of(described.buffered(TOGETHER).try_collect().await?);
        all.unreadable.retain(|one| one.why.kind != ErrorKind::NotFound);
        // The list of a cluster does not show it either.
        all.services.retain(|one| one.server.status != ServiceStatus::Inactive);
        Ok(all)
    }

    /// Describes these services. If the call fails because of some of them, each is asked for alone, so that
    /// those that cannot be read do not hide the others.
    pub(super) async fn describe_all(&self, cluster: &str, arns: Vec<String>) -> CloudResult<Described> {
        match self.describe_services(cluster, arns.clone()).await {
            Err(why) if of_one(&why) && arns.len() > 1 => {
                tracing::warn!(%why, "services are read one by one");
                let each = stream::iter(arns).map(|arn| self.describe_alone(cluster, arn));
                Ok(Described::of(each.buffered(TOGETHER).try_collect::<Vec<_>>().await?))
            }
            Err(why) if of_one(&why) => Ok(Described::not_read(arns, &why)),
            result => result,
        }
    }

    async fn describe_alone(&self, cluster: &str, arn: String) -> CloudResult<Described> {
        match self.describe_services(cluster, vec![arn.clone()]).await {
            Err(why) if of_one(&why) => Ok(Described::not_read(vec![arn], &why)),
            result => result,
        }
    }

    async fn service_arns(&self, cluster: &str, told: &(dyn Fn(&[String]) + Sync)) -> CloudResult<Vec<String>> {
        const CALL: &str = "ecs:ListServices";
        let (mut arns, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = self.read.ecs.list_services().cluster(cluster).max_results(PAGE).set_next_token(token);
            let page = self.paced(Api::Services, CALL, || call.clone().send()).await?;
            let found = page.service_arns.unwrap_or_default();
            told(&found);
            arns.extend(found);
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(arns);
            }
        }
        Err(endless(CALL))
    }

    /// An error if the cluster does not exist. ListServices answers with an empty list then, too.
    async fn require_cluster(&self, cluster: &str) -> CloudResult<()> {
        let found = self.cluster(cluster, None).await?;
        let missing = || error::not_found(CLUSTERS, format!("there is no cluster {cluster}"));
        found.map(drop).ok_or_else(missing)
    }

    /// The cluster, with its tags if they are asked for; `None` if it does not exist.
    pub(super) async fn cluster(&self, name: &str, with: Option<ClusterField>) -> CloudResult<Option<sdk::Cluster>> {
        let call = self.read.ecs.describe_clusters().clusters(name).set_include(with.map(|field| vec![field]));
        let found = self.paced(Api::Clusters, CLUSTERS, || call.clone().send()).await?;
        Ok(found.clusters.unwrap_or_default().into_iter().find(|cluster| cluster.status() != Some("INACTIVE")))
    }

    /// The active clusters of the region, with what is known of them.
    pub(super) async fn read_clusters(&self) -> CloudResult<Vec<Cluster>> {
        let arns = self.cluster_arns().await?;
        let chunks: Vec<Vec<String>> = arns.chunks(CLUSTERS_AT_ONCE).map(<[String]>::to_vec).collect();
        let described = stream::iter(chunks).map(|chunk| async move {
            let call = self.read.ecs.describe_clusters().set_clusters(Some(chunk.clone()));
            match self.paced(Api::Clusters, CLUSTERS, || call.clone().send()).await {
                Ok(answer) => answer.clusters.unwrap_or_default().iter().filter_map(cluster_of).collect(),
                Err(why) => {
                    tracing::warn!(%why, "clusters are known by name alone");
                    let named =
                        |arn: &String| Cluster { name: text(Some(last_part(arn))), services: None, tasks: None };
                    chunk.iter().map(named).collect::<Vec<_>>()
                }
            }
        });
        let mut all: Vec<Cluster> = described.buffered(TOGETHER).concat().await;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn cluster_arns(&self) -> CloudResult<Vec<String>> {
        const CALL: &str = "ecs:ListClusters";
        let (mut arns, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = self.read.ecs.list_clusters().max_results(PAGE).set_next_token(token);
            let page = self.paced(Api::Clusters, CALL, || call.clone().send()).await?;
            arns.extend(page.cluster_arns.unwrap_or_default());
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(arns);
            }
        }
        Err(endless(CALL))
    }

    pub(super) async fn read_announced(&self, cluster: &str) -> CloudResult<Vec<Announced>> {
        let found = self.cluster(cluster, Some(ClusterField::Tags)).await?;
        let tags = found.as_ref().map(sdk::Cluster::tags).unwrap_or_default();
        let read = |tag: &sdk::Tag| Announced::read(&text(tag.key()), &text(tag.value()));
        let mut announced: Vec<Announced> = tags.iter().filter_map(read).collect();
        announced.sort_by(|a, b| a.operation().cmp(b.operation()));
        Ok(announced)
    }

    async fn describe_services(&self, cluster: &str, arns: Vec<String>) -> CloudResult<Described> {
        let call = self.read.ecs.describe_services().cluster(cluster).set_services(Some(arns.clone()));
        let answer = self.paced(Api::Services, SERVICES, || call.clone().send()).await?;
        let unreadable = left_out(&arns, &answer);
        Ok(Described { services: answer.services().iter().map(service).collect(), unreadable })
    }

    /// One service of a cluster.
    pub(super) async fn service(&self, cluster: &str, name: &str) -> CloudResult<Server> {
        let found = self.describe_services(cluster, vec![name.to_owned()]).await?;
        let active = found
            .services
            .into_iter()
            .map(|service| service.server)
            .find(|server| server.status != ServiceStatus::Inactive);
        let denied = found.unreadable.into_iter().map(|one| one.why).find(|why| why.kind != ErrorKind::NotFound);
        let missing = || denied.unwrap_or_else(|| error::not_found(SERVICES, format!("there is no service {name}")));
        active.ok_or_else(missing)
    }

    /// Running and recently stopped tasks of a cluster, or of one service of it.
    pub(super) async fn tasks(&self, cluster: &str, service: Option<&str>) -> CloudResult<Vec<Task>> {
        let running = self.task_arns(cluster, service, DesiredStatus::Running);
        let stopped = self.task_arns(cluster, service, DesiredStatus::Stopped);
        let (mut arns, stopped) = futures::try_join!(running, stopped)?;
        arns.extend(stopped);
        arns.sort_unstable();
        arns.dedup();
        let chunks: Vec<Vec<String>> = arns.chunks(TASKS_AT_ONCE).map(<[String]>::to_vec).collect();
        let described = stream::iter(chunks).map(|chunk| self.describe_tasks(cluster, chunk));
        let parts: Vec<Vec<Task>> = described.buffered(TOGETHER).try_collect().await?;
        // An endpoint may not know the filter.
        let ours = |task: &Task| service.is_none_or(|service| task.service == service);
        Ok(parts.into_iter().flatten().filter(ours).collect())
    }

    /// Tasks of this service that have stopped lately, newest first, whether it is still there or not. A list of tasks
    /// by service is refused where there is no such service, so those that stopped in the whole cluster are read.
    pub(super) async fn read_stopped(&self, cluster: &str, service: &str) -> CloudResult<Vec<Task>> {
        let arns = self.task_arns(cluster, None, DesiredStatus::Stopped).await?;
        let chunks: Vec<Vec<String>> = arns.chunks(TASKS_AT_ONCE).map(<[String]>::to_vec).collect();
        let described = stream::iter(chunks).map(|chunk| self.describe_tasks(cluster, chunk));
        let parts: Vec<Vec<Task>> = described.buffered(TOGETHER).try_collect().await?;
        let ours = |task: &Task| task.service == service && task.stopped();
        Ok(newest_first(parts.into_iter().flatten().filter(ours).collect()))
    }

    async fn task_arns(&self, cluster: &str, service: Option<&str>, status: DesiredStatus) -> CloudResult<Vec<String>> {
        const CALL: &str = "ecs:ListTasks";
        let call = self.read.ecs.list_tasks().cluster(cluster).desired_status(status).max_results(PAGE);
        let call = call.set_service_name(service.map(str::to_owned));
        let (mut arns, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = call.clone().set_next_token(token);
            let page = self.paced(Api::Tasks, CALL, || call.clone().send()).await?;
            arns.extend(page.task_arns.unwrap_or_default());
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(arns);
            }
        }
        Err(endless(CALL))
    }

    /// The tasks that should run and whose id begins like this. A whole id takes one call; for the beginning of
    /// one, the list of all tasks is read, and those that fit are described.
    pub(super) async fn read_tasks_named(&self, cluster: &str, id: &str) -> CloudResult<Vec<Task>> {
        let id = last_part(id);
        if id.len() == TASK_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return self.describe_tasks(cluster, vec![id.to_owned()]).await;
        }
        let mut arns = self.task_arns(cluster, None, DesiredStatus::Running).await?;
        arns.retain(|arn| last_part(arn).starts_with(id));
        arns.truncate(TASKS_AT_ONCE);
        if arns.is_empty() { Ok(Vec::new()) } else { self.describe_tasks(cluster, arns).await }
    }

    /// Tasks by ARN. Those that ECS has forgotten are left out.
    pub(super) async fn describe_tasks(&self, cluster: &str, arns: Vec<String>) -> CloudResult<Vec<Task>> {
        let call = self.read.ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns));
        let answer = self.paced(Api::Tasks, "ecs:DescribeTasks", || call.clone().send()).await?;
        Ok(answer.tasks().iter().map(task).collect())
    }

    /// A task by its ARN; `None` if ECS does not know it, or has forgotten it.
    pub(super) async fn read_task(&self, cluster: &str, arn: &str) -> CloudResult<Option<Task>> {
        let found = self.describe_tasks(cluster, vec![arn.to_owned()]).await?;
        Ok(found.into_iter().find(|task| last_part(&task.arn) == last_part(arn)))
    }

    /// A task definition; `NotFound` if there is none, for which ECS has no error code of its own.
    pub(super) async fn read_task_definition(&self, arn: &str) -> CloudResult<TaskDefinition> {
        const CALL: &str = "ecs:DescribeTaskDefinition";
        let call = self.read.ecs.describe_task_definition().task_definition(arn);
        let answer = self.paced(Api::Definitions, CALL, || call.clone().send()).await?;
        let found = answer.task_definition().ok_or_else(|| error::garbled(CALL, "the answer holds no definition"))?;
        Ok(task_definition(found, &self.region))
    }

    /// The newest active revisions of a family.
    pub(super) async fn read_revisions(&self, family: &str) -> CloudResult<Vec<String>> {
        self.newest(family, |_| true, REVISIONS).await
    }

    /// The newest active revision of a family before this one, however many newer ones there are.
    pub(super) async fn read_revision_before(&self, family: &str, revision: u32) -> CloudResult<Option<String>> {
        let earlier = |arn: &str| number(arn).is_some_and(|found| found < revision);
        Ok(self.newest(family, earlier, 1).await?.into_iter().next())
    }

    /// The first `most` active revisions that are wanted, newest first, from as many pages as it takes.
    async fn newest(&self, family: &str, wanted: impl Fn(&str) -> bool, most: usize) -> CloudResult<Vec<String>> {
        const CALL: &str = "ecs:ListTaskDefinitions";
        let call = self.read.ecs.list_task_definitions().family_prefix(family).sort(SortOrder::Desc);
        let call = call.status(TaskDefinitionStatus::Active).max_results(PAGE);
        let (mut found, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = call.clone().set_next_token(token);
            let page = self.paced(Api::Definitions, CALL, || call.clone().send()).await?;
            let arns = page.task_definition_arns.unwrap_or_default();
            found.extend(arns.iter().map(|arn| text(Some(arn))).filter(|arn| wanted(arn)));
            found.truncate(most);
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() || found.len() == most {
                return Ok(found);
            }
        }
        Err(endless(CALL))
    }
}

/// A list that has more pages than there can be.
fn endless(call: &str) -> CloudError {
    CloudError::new(ErrorKind::TimedOut, call, format!("the list did not end within {PAGES} pages"))
        .with_hint("is the endpoint really an AWS API?")
}

/// The revision that a task definition's ARN ends with.
fn number(arn: &str) -> Option<u32> {
    arn.rsplit(':').next()?.parse().ok()
}

/// Whether a failure may be that of one item among several.
fn of_one(why: &CloudError) -> bool {
    matches!(why.kind, ErrorKind::Denied | ErrorKind::Garbled | ErrorKind::Invalid)
}

/// The last part of an ARN.
pub(super) fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn unreadable(arn: &str, why: CloudError) -> Unreadable {
    Unreadable { name: text(Some(last_part(arn))), arn: text(Some(arn)), why }
}

/// Those that were asked for and not described, with the reason that ECS gives (developer guide, "API failure
/// reasons").
fn left_out(asked: &[String], answer: &DescribeServicesOutput) -> Vec<Unreadable> {
    if answer.services().len() >= asked.len() {
        return Vec::new();
    }
    let described = |arn: &&String| {
        answer
            .services()
            .iter()
            .any(|one| one.service_arn() == Some(arn.as_str()) || one.service_name() == Some(last_part(arn)))
    };
    let why = |arn: &String| {
        let same = |failure: &&sdk::Failure| failure.arn().is_some_and(|of| last_part(of) == last_part(arn));
        let failure = answer.failures().iter().find(same);
        let reason = failure.and_then(|failure| some_text(failure.reason()));
        let detail = failure.and_then(|failure| some_text(failure.detail()));
        let said: Vec<String> = [reason.clone(), detail].into_iter().flatten().collect();
        let denied = said.iter().any(|words| words.to_ascii_lowercase().contains("denied"));
        let kind = match reason.as_deref() {
            _ if denied => ErrorKind::Denied,
            Some("MISSING") | None => ErrorKind::NotFound,
            Some(_) => ErrorKind::Invalid,
        };
        let words = if said.is_empty() { "no reason given".to_owned() } else { said.join(": ") };
        CloudError::new(kind, SERVICES, format!("ECS did not describe it: {words}"))
    };
    asked.iter().filter(|arn| !described(arn)).map(|arn| unreadable(arn, why(arn))).collect()
}
