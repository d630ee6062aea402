//! Insights: a query over the log groups that are followed, and its results as a table.

use jiff::Timestamp;

use super::{Freshness, Screen, View, logs};
use crate::console::action::Action;
use crate::console::describe;
use crate::console::effect::Effect;
use crate::console::hint;
use crate::console::model::{Model, Prompt, PromptKind};
use crate::console::remote::Generation;
use crate::console::table::{Cell, Column, Row, Table};
use crate::core::error::CloudError;
use crate::core::logs::group;
use crate::core::logs::insights::{InsightsRequest, InsightsResults, MAX_GROUPS};
use crate::core::meaning::Meaning;
use crate::core::text::{self, short_duration};

/// The screen's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub query: String,
    /// Its progress.
    pub progress: QueryState,
    /// The table of results.
    pub table: Table,
    /// The window that is queried, in milliseconds since the Unix epoch.
    pub window: (i64, i64),
    generation: Generation,
    /// When the query ended.
    ended: Option<Timestamp>,
}

/// The progress of a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum QueryState {
    /// None was run.
    #[default]
    None,
    /// It runs, or has ended: what it has found.
    Found(InsightsResults),
    Failed(CloudError),
    /// The operator stopped it.
    Cancelled,
}

/// What is offered first: calls, latencies and errors by tool.
const FIRST: &str = "filter event = \"request\" | stats count(*) as calls, avg(latency_ms), max(latency_ms), \
                     sum(status >= 500) as errors by server, tool | sort calls desc";

/// The same on the local cloud, whose emulator knows `fields`, `filter`, `sort` and `limit` only.
const FIRST_LOCAL: &str = "fields @timestamp, @message | filter @message like /\"level\":\"(warn|error)\"/ \
                           | sort @timestamp desc | limit 100";

impl State {
    /// Whether a query runs.
    pub fn running(&self) -> bool {
        matches!(&self.progress, QueryState::Found(results) if results.running)
    }

    fn results(&self) -> Option<&InsightsResults> {
        match &self.progress {
            QueryState::Found(results) => Some(results),
            _ => None,
        }
    }
}

/// The table that is shown.
pub fn view(model: &Model) -> View {
    let state = &model.screens.insights;
    let results = state.results();
    let columns: Vec<Column> = results.map(columns).unwrap_or_default();
    let rows: Vec<Row> = results.into_iter().flat_map(|results| results.rows.iter().enumerate()).map(row).collect();
    let all = rows.len();
    let rows = state.table.arrange(&columns, rows);
    let selected = state.table.position(&rows);
    View { title: "results".into(), columns, rows, all, selected, empty: empty(model, all) }
}

/// The first columns stay longest where there is no room; the last one takes what is left.
fn columns(results: &InsightsResults) -> Vec<Column> {
    let last = results.columns.len().saturating_sub(1);
    let column = |(index, name): (usize, &String)| {
        let rank = u8::try_from(index).unwrap_or(u8::MAX);
        let widest = results.rows.iter().filter_map(|row| row.get(index)).map(|value| value.len()).max().unwrap_or(0);
        let min = u16::try_from(widest.max(name.len()).clamp(4, 24)).unwrap_or(24);
        let numbers = results.rows.iter().filter_map(|row| row.get(index)).all(|value| value.parse::<f64>().is_ok());
        let column = match (numbers, index == last) {
            (true, _) => Column::number("", min, rank),
            (false, true) => Column::wide("", min, rank),
            (false, false) => Column::text("", min, rank),
        };
        column.titled(name)
    };
    results.columns.iter().enumerate().map(column).collect()
}

fn row((index, values): (usize, &Vec<String>)) -> Row {
    let cells = values.iter().map(|value| Cell::plain(text::row(value).into_owned())).collect();
    Row { key: index.to_string(), cells, well: true }
}

fn empty(model: &Model, all: usize) -> String {
    let state = &model.screens.insights;
    match (&state.progress, all) {
        (_, 1..) => hint::nothing_shown(model, &state.table, None),
        (QueryState::None, _) => format!("no query yet{}", hint::then(model, Action::Query, "writes one")),
        (QueryState::Found(results), _) if results.running => "nothing found so far".into(),
        (QueryState::Found(_), _) => "nothing found".into(),
        (QueryState::Failed(error), _) => error.message.clone(),
        (QueryState::Cancelled, _) => {
            format!("stopped before it had an answer{}", hint::then(model, Action::Query, "runs it again"))
        }
    }
}

/// The query's progress, what it read and what that cost.
pub fn status(model: &Model) -> (String, Meaning) {
    let state = &model.screens.insights;
    let length = short_duration(jiff::SignedDuration::from_millis(state.window.1 - state.window.0));
    match &state.progress {
        QueryState::None => (String::new(), Meaning::Muted),
        QueryState::Found(results) if results.running => (
            format!(
                "◐ running over {length}: {}{}",
                results.cost(model.context.emulated()),
                hint::then(model, Action::Back, "stops it")
            ),
            Meaning::Warn,
        ),
        QueryState::Found(results) => (
            format!(
                "✔ {:.0} of {:.0} events in {length} matched; {}",
                results.matched,
                results.scanned,
                results.cost(model.context.emulated())
            ),
            Meaning::Good,
        ),
        QueryState::Failed(error) => {
            let hint = hint::after_error(error, model);
            (format!("✖ {}{hint}", error.message), Meaning::Bad)
        }
        QueryState::Cancelled => ("○ stopped".into(), Meaning::Muted),
    }
}

/// Asks for a query, and offers the last one or a first example to change.
pub fn ask(model: &mut Model) -> Vec<Effect> {
    if !model.screens.logs.following() {
        return model.refuse(format!(
            "a query goes over the log groups that are followed, and none is{}",
            hint::then(model, Action::Show(Screen::Logs), "follows them")
        ));
    }
    let first = if model.context.local { FIRST_LOCAL } else { FIRST };
    let text =
        if model.screens.insights.query.is_empty() { first.to_owned() } else { model.screens.insights.query.clone() };
    model.prompt = Some(Prompt::new(PromptKind::Insights, text));
    Vec::new()
}

/// Runs a query over the groups and the window of the log.
pub fn run(model: &mut Model, query: &str) -> Vec<Effect> {
    let groups = model.screens.logs.sources.groups.clone();
    if query.trim().is_empty() {
        return model.refuse("an empty query was not run");
    }
    if groups.len() > MAX_GROUPS {
        let many = groups.len();
        return model
            .refuse(format!("a query takes at most {MAX_GROUPS} log groups, not {many}; choose sources first"));
    }
    let region = |id: &String| group::parts(id).0.map(str::to_owned);
    if groups.iter().any(|id| region(id) != region(&groups[0])) {
        return model.refuse("a query takes log groups of one region, and those that are followed are in several");
    }
    // Of a window of the past, what came after it is not meant.
    let until = model.screens.logs.window.until().unwrap_or_else(|| logs::now(model).as_millisecond());
    let state = &mut model.screens.insights;
    state.query = query.trim().to_owned();
    state.generation += 1;
    state.table = Table::default();
    (state.window, state.ended) = ((model.screens.logs.window.from(), until), None);
    state.progress = QueryState::Found(InsightsResults { running: true, ..InsightsResults::default() });
    let (from, until) = state.window;
    let request = InsightsRequest { groups, from, until, query: state.query.clone() };
    let mut effects = vec![Effect::Insights(state.generation, request)];
    effects.extend(model.show(Screen::Insights));
    effects
}

/// Takes what a query has found.
pub fn found(model: &mut Model, generation: Generation, result: Result<InsightsResults, CloudError>) -> Vec<Effect> {
    let state = &mut model.screens.insights;
    if generation == state.generation {
        state.ended = result.as_ref().is_ok_and(|results| !results.running).then_some(model.now);
        state.progress = match result {
            Ok(results) => QueryState::Found(results),
            Err(error) => QueryState::Failed(error),
        };
    }
    Vec::new()
}

/// When the query ended: that is how old what it found is, for nobody runs it again.
pub(super) fn freshness(model: &Model) -> Option<Freshness> {
    let state = &model.screens.insights;
    match &state.progress {
        QueryState::None | QueryState::Cancelled => None,
        QueryState::Found(_) => Some(Freshness { read_at: state.ended, error: None }),
        QueryState::Failed(error) => Some(Freshness { read_at: None, error: Some(error.clone()) }),
    }
}

/// Goes one step back: out of the filter, out of a query that runs.
pub(super) fn back(model: &mut Model) -> Option<Vec<Effect>> {
    let state = &mut model.screens.insights;
    if state.table.unfilter() {
        return Some(Vec::new());
    }
    cancel(model).map(|effect| vec![effect])
}

/// Stops the query, if one runs.
pub(in crate::console) fn cancel(model: &mut Model) -> Option<Effect> {
    let state = &mut model.screens.insights;
    if !state.running() {
        return None;
    }
    state.generation += 1;
    state.progress = QueryState::Cancelled;
    Some(Effect::StopInsights)
}

fn selected(model: &Model) -> Option<(Vec<String>, Vec<String>)> {
    let view = view(model);
    let row = view.rows.get(view.selected?)?;
    let results = model.screens.insights.results()?;
    // The value itself, with its line breaks.
    let values = results.rows.get(row.key.parse::<usize>().ok()?)?;
    Some((results.columns.clone(), values.clone()))
}

/// The selected row, a field a line.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let Some((columns, values)) = selected(model) else { return model.refuse("no row is selected") };
    model.open(describe::fields("result", columns.into_iter().zip(values)))
}

pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    selected(model).map(|(_, values)| Effect::Copy(values.join("\t"))).into_iter().collect()
}
