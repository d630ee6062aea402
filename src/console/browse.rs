//! What of the AWS console belongs to the selection.

use super::effect::Effect;
use super::model::Model;
use super::screens::{Screen, clients, fleet, stack, timeline, users};
use crate::core::environment::names;
use crate::core::logs::{ContainerLog, Destination, group};
use crate::core::web_console::{Page, url};

/// Opens the AWS console at what is selected.
pub fn open(model: &mut Model) -> Vec<Effect> {
    if model.context.emulated() {
        return model.refuse("the AWS console knows nothing of an emulator");
    }
    if !model.context.chosen() {
        return model.refuse("choose a cluster first");
    }
    let (page, region) = page(model);
    match url(&page, &region) {
        Some(url) => vec![Effect::Browse(url)],
        None => model.refuse(format!("it is not known where the AWS console of {region} is")),
    }
}

/// The page of the selection, and the region that it is in.
fn page(model: &Model) -> (Page, String) {
    let region = model.context.region.clone();
    let cluster = || model.context.cluster.clone();
    let service = |server: &str| Page::Service { cluster: cluster(), service: server.to_owned() };
    let of_cluster = || Page::Cluster { cluster: cluster() };
    let page = match model.screen {
        Screen::Fleet => match (fleet::selected_task(model), fleet::selected_server(model)) {
            (Some(task), _) => Page::Task { cluster: cluster(), task: task.id().to_owned() },
            (None, Some(server)) => service(&server.name),
            (None, None) => of_cluster(),
        },
        Screen::Stack => match stack::selected(model) {
            Some(stack) if stack.arn.is_empty() => {
                return (Page::Stacks { prefix: stack.id.name.clone() }, stack.id.region.clone());
            }
            Some(stack) => return (Page::Stack { stack: stack.arn.clone() }, stack.id.region.clone()),
            None => Page::Stacks { prefix: names::stack_prefix(&model.context.environment) },
        },
        Screen::Clients => match (model.screens.clients.remote.get(), clients::selected(model)) {
            (Some(list), Some(client)) => Page::Client { pool: list.pool.clone(), client: client.id.clone() },
            _ => of_cluster(),
        },
        Screen::Timeline => {
            let moment = timeline::selected(model);
            let server = moment.and_then(|moment| timeline::server_of(model, moment));
            server.map_or_else(of_cluster, |server| service(&server))
        }
        Screen::Logs | Screen::Insights => return of_log(model).unwrap_or_else(|| (of_cluster(), region)),
        Screen::Users => match (model.screens.users.remote.get(), users::selected(model)) {
            (Some(list), Some(user)) => Page::User { pool: list.pool.clone(), user: user.name.clone() },
            _ => of_cluster(),
        },
        Screen::Revisions => {
            model.screens.revisions.asked.as_ref().map_or_else(of_cluster, |asked| service(&asked.server))
        }
        Screen::Doctor | Screen::Requests => of_cluster(),
    };
    (page, region)
}

/// The log group of the selected line, or the one of which lines are shown.
fn of_log(model: &Model) -> Option<(Page, String)> {
    let logs = &model.screens.logs;
    let server = logs.selected().map(|line| line.server.to_owned());
    let fleet = model.screens.fleet.remote.get();
    let server = server.and_then(|name| fleet?.server(&name));
    let of_server = server.and_then(|server| server.logs.known()?.iter().find_map(group_of));
    let id = of_server.or_else(|| logs.sources.groups.first().cloned())?;
    let (region, name) = group::parts(&id);
    let region = region.unwrap_or(&model.context.region).to_owned();
    Some((Page::LogGroup { group: name.to_owned() }, region))
}

fn group_of(log: &ContainerLog) -> Option<String> {
    match &log.to {
        Destination::Group { group, .. } => Some(group.clone()),
        Destination::Driver { .. } | Destination::FireLens { .. } | Destination::Unset => None,
    }
}
