//! `revisions`: two task definitions of a server side by side.

use serde_json::{Value as Json, json};

use super::{Exit, Failure, Output, json as print_json, line, written};
use crate::cloud::ErrorKind;
use crate::core::error::Refusal;
use crate::core::fleet::{Against, Compared, Pair, TaskDefinition, Value};
use crate::core::text::count;
use crate::run::{Session, read, revisions as of_ecs};

/// What is compared; these docs are the command's help.
#[derive(Debug, Clone, clap::Args)]
#[command(about = None, long_about = None)]
pub struct RevisionsOptions {
    /// The server.
    pub server: String,
    /// The revision to compare with; by default the one that a deployment under way replaces, else the one before.
    #[arg(long, value_name = "REVISION")]
    pub against: Option<u32>,
    /// Print the settings that are the same, too. JSON has them always.
    #[arg(long)]
    pub all: bool,
}

/// Prints what a server's task definition sets, beside another one.
///
/// # Errors
/// When there is no such server or revision, or they cannot be read.
pub async fn revisions(session: &Session, options: &RevisionsOptions, output: Output) -> Result<Exit, Failure> {
    let name = &options.server;
    let Some(server) = read::server(session, &session.context.cluster, name).await? else {
        return Err(read::no_server(session, name).await.into());
    };
    let mut asked = server.comparison();
    if asked.now.is_empty() {
        let why = format!("{} has no task definition yet", server.name);
        return Err(Refusal::new(ErrorKind::NotFound, why).into());
    }
    if let Some(revision) = options.against {
        let family = asked.now.rsplit_once(':').map_or(asked.now.as_str(), |(family, _)| family);
        asked.against = Some(Against::This(format!("{family}:{revision}")));
    }
    let compared = match of_ecs::compare(session, &asked).await {
        // ECS has no error code of its own for a revision that does not exist.
        Err(why) if options.against.is_some() && matches!(why.kind, ErrorKind::NotFound | ErrorKind::Invalid) => {
            let why = format!("{} has no such revision: {}", server.name, why.message);
            return Err(Refusal::new(ErrorKind::NotFound, why).into());
        }
        other => other?,
    };
    written(match output {
        Output::Json => print_json(&document(session, &server.name, &compared)),
        Output::Text => line(&text(&compared, options.all)),
    })?;
    Ok(Exit::Done)
}

fn document(session: &Session, server: &str, compared: &Compared) -> Json {
    let of = |found: &TaskDefinition| {
        json!({
            "arn": found.arn,
            "family": found.family,
            "revision": found.revision,
            "active": found.active,
            "registered_at": found.registered_at,
        })
    };
    let setting = |pair: Pair<'_>| {
        json!({
            "container": pair.setting.container,
            "setting": pair.setting.what.to_string(),
            "before": pair.before,
            "now": pair.now,
            "differs": compared.before.is_some() && pair.differs(),
        })
    };
    json!({
        "environment": session.context.environment,
        "server": server,
        "before": compared.before.as_ref().map(of),
        "now": of(&compared.now),
        "settings": compared.pairs().into_iter().map(setting).collect::<Vec<_>>(),
    })
}

fn text(compared: &Compared, all: bool) -> String {
    let named = |found: &TaskDefinition| {
        let at = found.registered_at.map(|at| format!(" of {at:.0}")).unwrap_or_default();
        format!("{}:{}{at}", found.family, found.revision)
    };
    let Some(before) = &compared.before else {
        let mut out = format!("{}; there is no revision before it", named(&compared.now));
        out.extend(compared.pairs().iter().map(|pair| one(pair, words(pair.now).to_owned())));
        return out;
    };
    let differing = count(compared.differing().unwrap_or_default(), "setting");
    let mut out = format!("{} -> {}: {differing} differing", named(before), named(&compared.now));
    let shown = |pair: &&Pair<'_>| all || pair.differs();
    out.extend(compared.pairs().iter().filter(shown).map(|pair| match (pair.change(), pair.before, pair.now) {
        (Some(change), Some(Value::Hidden(_)), _) | (Some(change), _, Some(Value::Hidden(_))) => {
            one(pair, format!("{change}; its value is not shown"))
        }
        (Some(_), before, now) => one(pair, format!("{} -> {}", words(before), words(now))),
        (None, ..) => one(pair, format!("{} (the same)", words(pair.now))),
    }));
    out
}

fn one(pair: &Pair<'_>, value: String) -> String {
    let of = pair.setting.container.as_ref().map(|container| format!("{container} ")).unwrap_or_default();
    format!("\n  {of}{}: {value}", pair.setting.what)
}

fn words(value: Option<&Value>) -> &str {
    value.map_or("-", Value::words)
}
