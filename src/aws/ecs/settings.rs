//! What a task definition sets, to be compared with another one.
//!
//! Nothing that differs may be missing, so what has no name of its own is compared as a whole, as "other settings".

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use aws_sdk_ecs::types as sdk;

use crate::aws::convert::text;
use crate::core::environment::looks_secret;
use crate::core::fleet::{Setting, Settings, Value, What};

/// Makes numbers of values that are not shown. Its key is made anew by each run and never leaves it.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Options of log drivers that hold no secret. Those of other drivers may: a token of Splunk does.
const PLAIN: &[&str] = &["mode", "max-buffer-size"];

pub(super) fn of(found: &sdk::TaskDefinition) -> Settings {
    let mut all = Collected::default();
    all.task(found);
    for container in found.container_definitions() {
        all.container = Some(text(container.name()));
        all.container(container);
    }
    all.settings
}

/// Hides a value: whoever has the number knows only whether another one is the same.
fn hidden(value: impl Debug) -> Value {
    Value::Hidden(KEY.hash_one(format!("{value:?}")))
}

#[derive(Default)]
struct Collected {
    settings: Settings,
    /// The container whose settings are collected.
    container: Option<String>,
}

impl Collected {
    fn set(&mut self, what: What, value: Value) {
        self.settings.insert(Setting { container: self.container.clone(), what }, value);
    }

    /// A value that is shown; none is not set.
    fn show(&mut self, what: What, value: Option<impl AsRef<str>>) {
        if let Some(value) = value.map(|value| text(Some(value.as_ref()))).filter(|value| !value.is_empty()) {
            self.set(what, Value::Shown(value));
        }
    }

    fn list(&mut self, what: What, values: impl Iterator<Item = String>) {
        let values: Vec<String> = values.collect();
        self.show(what, (!values.is_empty()).then(|| values.join(", ")));
    }

    /// A program's arguments, which somebody may have given a secret.
    fn words(&mut self, what: What, words: &[String]) {
        if has_secret(words) {
            self.set(what, hidden(words));
        } else {
            self.list(what, words.iter().map(|word| format!("{word:?}")));
        }
    }

    fn task(&mut self, found: &sdk::TaskDefinition) {
        self.show(What::Cpu, found.cpu().map(|cpu| format!("{cpu} units")));
        self.show(What::Memory, found.memory().map(|memory| format!("{memory} MiB")));
        let platform = found.runtime_platform().map(|platform| {
            let system = platform.operating_system_family().map(|system| system.as_str());
            let processor = platform.cpu_architecture().map(|processor| processor.as_str());
            [system, processor].into_iter().flatten().collect::<Vec<_>>().join("/")
        });
        self.show(What::Platform, platform);
        self.show(What::Storage, found.ephemeral_storage().map(|storage| format!("{} GiB", storage.size_in_gib())));
        self.show(What::Network, found.network_mode().map(|mode| mode.as_str()));
        self.show(What::ExecutionRole, found.execution_role_arn());
        self.show(What::TaskRole, found.task_role_arn());
        self.list(What::Volumes, found.volumes().iter().map(volume));
        // Maps have no order.
        let sorted = |volume: &sdk::Volume| {
            let mut rest = volume.clone();
            let mut maps = None;
            if let Some(docker) = &mut rest.docker_volume_configuration {
                maps = Some([docker.driver_opts.take(), docker.labels.take()].map(in_order));
            }
            (format!("{rest:?}"), maps)
        };
        let volumes: Vec<_> = found.volumes().iter().map(sorted).collect();
        let modes = (&found.pid_mode, &found.ipc_mode, found.enable_fault_injection);
        let placed = (&found.placement_constraints, &found.proxy_configuration, &found.inference_accelerators);
        self.set(What::Rest, hidden((volumes, modes, placed, &found.requires_compatibilities)));
    }

    fn container(&mut self, found: &sdk::ContainerDefinition) {
        self.show(What::Image, found.image());
        self.words(What::EntryPoint, found.entry_point());
        self.words(What::Command, found.command());
        self.show(What::Cpu, (found.cpu() != 0).then(|| format!("{} units", found.cpu())));
        self.show(What::Memory, found.memory().map(|memory| format!("{memory} MiB")));
        self.show(What::Reservation, found.memory_reservation().map(|memory| format!("{memory} MiB")));
        self.list(What::Ports, found.port_mappings().iter().map(port));
        match found.health_check() {
            Some(check) if has_secret(check.command()) => self.set(What::HealthCheck, hidden(check)),
            check => self.show(What::HealthCheck, check.map(health_check)),
        }
        self.show(What::Essential, found.essential().map(yes_or_no));
        self.show(What::User, found.user());
        self.show(What::Directory, found.working_directory());
        self.show(What::ReadOnly, found.readonly_root_filesystem().map(yes_or_no));
        self.show(What::StartTimeout, found.start_timeout().map(|seconds| format!("{seconds} s")));
        self.show(What::StopTimeout, found.stop_timeout().map(|seconds| format!("{seconds} s")));
        let limit =
            |limit: &sdk::Ulimit| format!("{} {}..{}", limit.name().as_str(), limit.soft_limit(), limit.hard_limit());
        self.list(What::Limits, found.ulimits().iter().map(limit));
        self.list(What::Mounts, found.mount_points().iter().map(mount));
        for pair in found.environment() {
            self.set(What::Variable(text(pair.name())), hidden(pair.value()));
        }
        for secret in found.secrets() {
            self.show(What::Secret(text(Some(secret.name()))), Some(secret.value_from()));
        }
        if let Some(log) = found.log_configuration() {
            self.log(log);
        }
        self.set(What::Rest, hidden(rest(found)));
    }

    fn log(&mut self, log: &sdk::LogConfiguration) {
        self.show(What::LogDriver, Some(log.log_driver().as_str()));
        for (name, value) in log.options().into_iter().flatten() {
            let plain = PLAIN.contains(&name.as_str()) || name.starts_with("awslogs-");
            let what = What::LogOption(text(Some(name)));
            if plain { self.show(what, Some(value)) } else { self.set(what, hidden(value)) }
        }
        for secret in log.secret_options() {
            self.show(What::Secret(text(Some(secret.name()))), Some(secret.value_from()));
        }
    }
}

/// What of a container has no name of its own, in words that are compared and never shown.
fn rest(found: &sdk::ContainerDefinition) -> impl Debug + use<> {
    let mut rest = found.clone();
    (rest.image, rest.entry_point, rest.command) = (None, None, None);
    (rest.cpu, rest.memory, rest.memory_reservation) = (0, None, None);
    (rest.health_check, rest.essential, rest.user, rest.working_directory) = (None, None, None, None);
    (rest.readonly_root_filesystem, rest.start_timeout, rest.stop_timeout) = (None, None, None);
    (rest.ulimits, rest.mount_points) = (None, None);
    (rest.environment, rest.secrets, rest.log_configuration) = (None, None, None);
    // Maps have no order, and AWS may name what a port lacks one time and leave it out another.
    let router = match &mut rest.firelens_configuration {
        Some(router) => router.options.take(),
        None => None,
    };
    let maps = [rest.docker_labels.take(), router].map(in_order);
    let ports = rest.port_mappings.take().unwrap_or_default();
    let ports: Vec<_> = ports.iter().map(|port| format!("{:?} {:?}", port.name, port.app_protocol)).collect();
    (format!("{rest:?}"), maps, ports)
}

fn has_secret(words: &[String]) -> bool {
    words.iter().any(|word| looks_secret(word).is_some())
}

fn in_order(map: Option<HashMap<String, String>>) -> Option<BTreeMap<String, String>> {
    map.map(|map| map.into_iter().collect())
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn port(port: &sdk::PortMapping) -> String {
    let protocol = port.protocol().map_or("tcp", |protocol| protocol.as_str());
    match (port.container_port(), port.container_port_range()) {
        (Some(number), _) => format!("{number}/{protocol}"),
        (None, range) => format!("{}/{protocol}", range.unwrap_or("?")),
    }
}

fn health_check(check: &sdk::HealthCheck) -> String {
    let seconds = |name: &str, value: Option<i32>| value.map(|value| format!("{name} {value} s"));
    let retries = check.retries().map(|times| format!("{times} retries"));
    let more = [
        seconds("every", check.interval()),
        seconds("at most", check.timeout()),
        retries,
        seconds("from", check.start_period()),
    ];
    let command = check.command().join(" ");
    [Some(command)].into_iter().chain(more).flatten().collect::<Vec<_>>().join(", ")
}

fn volume(volume: &sdk::Volume) -> String {
    let name = volume.name().unwrap_or("?");
    match volume.efs_volume_configuration() {
        Some(efs) => format!("{name} ({} {})", efs.file_system_id(), efs.root_directory().unwrap_or("/")),
        None => name.to_owned(),
    }
}

fn mount(mount: &sdk::MountPoint) -> String {
    let read_only = if mount.read_only() == Some(true) { " (read-only)" } else { "" };
    format!("{} at {}{read_only}", mount.source_volume().unwrap_or("?"), mount.container_path().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ecs::shown::task_definition;
    use crate::core::fleet::{Compared, Pair};
    use rstest::rstest;
    use sdk::{ContainerDefinition, KeyValuePair, LogConfiguration, LogDriver, Secret, TaskDefinition};

    fn container() -> ContainerDefinition {
        let log = LogConfiguration::builder().log_driver(LogDriver::Awslogs);
        let log = log.options("mode", "non-blocking").options("x", "1").options("y", "2").build().unwrap();
        let secret = Secret::builder().name("KEY").value_from("arn:key").build().unwrap();
        let builder = ContainerDefinition::builder().name("app").image("time:1").cpu(128).log_configuration(log);
        let builder = builder.docker_labels("a", "1").docker_labels("b", "2").docker_labels("c", "3");
        builder.environment(KeyValuePair::builder().name("TOKEN").value("hunter2").build()).secrets(secret).build()
    }

    fn definition(container: ContainerDefinition) -> TaskDefinition {
        TaskDefinition::builder().family("time").cpu("256").memory("512").container_definitions(container).build()
    }

    /// What differs between a container and the same with a change.
    fn differing(change: impl FnOnce(&mut ContainerDefinition)) -> Vec<String> {
        let mut changed = container();
        change(&mut changed);
        let compared = Compared {
            before: Some(task_definition(&definition(container()), "eu-west-1")),
            now: task_definition(&definition(changed), "eu-west-1"),
        };
        let differ = compared.pairs().into_iter().filter(Pair::differs);
        differ.map(|pair| format!("{}: {}", pair.setting.what, pair.change().unwrap())).collect()
    }

    #[rstest]
    #[case::nothing(|_: &mut ContainerDefinition| (), &[])]
    #[case::image(|one: &mut ContainerDefinition| one.image = Some("time:2".into()), &["image: changed"])]
    #[case::memory(|one: &mut ContainerDefinition| one.memory = Some(64), &["memory: added"])]
    #[case::a_value_that_is_not_shown(|one: &mut ContainerDefinition| one.environment.as_mut().unwrap()[0].value = Some("hunter3".into()), &["variable TOKEN: changed"])]
    #[case::a_variable_that_goes(|one: &mut ContainerDefinition| one.environment = None, &["variable TOKEN: removed"])]
    #[case::where_a_secret_lies(|one: &mut ContainerDefinition| one.secrets = Some(vec![Secret::builder().name("KEY").value_from("arn:other").build().unwrap()]), &["secret KEY: changed"])]
    #[case::the_log(|one: &mut ContainerDefinition| drop(one.log_configuration.as_mut().unwrap().options.as_mut().unwrap().insert("mode".into(), "blocking".into())), &["log option mode: changed"])]
    #[case::what_has_no_name_here(|one: &mut ContainerDefinition| one.privileged = Some(true), &["other settings: changed"])]
    #[case::a_label(|one: &mut ContainerDefinition| drop(one.docker_labels.as_mut().unwrap().insert("a".into(), "9".into())), &["other settings: changed"])]
    fn what_differs_is_told_and_nothing_else(
        #[case] change: impl FnOnce(&mut ContainerDefinition),
        #[case] told: &[&str],
    ) {
        assert_eq!(differing(change), told);
    }

    #[test]
    fn what_looks_like_a_secret_is_told_to_differ_and_not_shown() {
        let words = |secret: &str| Some(vec!["serve".to_owned(), format!("--key=sk-{secret}")]);
        let with = |secret: &str| {
            let mut one = container();
            (one.entry_point, one.command) = (words(secret), words(secret));
            one.health_check = Some(sdk::HealthCheck::builder().set_command(words(secret)).build().unwrap());
            task_definition(&definition(one), "eu-west-1")
        };
        let secret = "hunter2hunter2hunter2";
        let compared = Compared { before: Some(with(secret)), now: with("hunter3hunter3hunter3") };
        assert_eq!(compared.differing(), Some(3));
        assert!(!format!("{compared:?}").contains("hunter"), "{compared:?}");
    }

    #[test]
    fn no_value_of_a_variable_is_in_what_is_known() {
        let found = task_definition(&definition(container()), "eu-west-1");
        assert!(!format!("{found:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&found.settings.values().collect::<Vec<_>>()).unwrap().contains("hunter2"));
    }
}
