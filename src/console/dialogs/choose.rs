//! A list to choose from by typing: a profile, a region, a cluster, an environment, a theme.

use super::{Dialog, Then};
use crate::console::effect::Effect;
use crate::console::input::{Input, Typed};
use crate::console::keymap::{Key, KeyPress};
use crate::console::model::Model;
use crate::console::operations;
use crate::console::place;
use crate::console::remote::Remote;
use crate::console::screens::{Fetch, fleet};
use crate::console::table::fuzzy;
use crate::core::destination::{Cluster, Destination, Profile, is_region, neighbours};
use crate::core::operation::PlanRequest;
use crate::core::shift::{Tasks, USUAL};
use crate::core::text::count;

/// What is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Profile,
    Region,
    Cluster,
    Environment,
    Theme,
    /// The zone that is taken out.
    Zone,
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    /// One line about it.
    pub note: String,
    /// Whether it is the one that is in force.
    pub here: bool,
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    Known(Vec<Row>),
    /// It is being read, or could not be, in words.
    Missing(String),
}

impl Choice {
    /// Those that can be named in the palette.
    pub const ALL: [Self; 5] = [Self::Profile, Self::Region, Self::Cluster, Self::Environment, Self::Theme];

    /// The word for it, which is also what one types in the palette before a name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Region => "region",
            Self::Cluster => "cluster",
            Self::Environment => "environment",
            Self::Theme => "theme",
            Self::Zone => "zone",
        }
    }

    /// What must be read for it.
    pub fn read(self) -> Option<Fetch> {
        match self {
            Self::Profile => Some(Fetch::Profiles),
            Self::Cluster | Self::Environment => Some(Fetch::Clusters),
            Self::Region | Self::Theme | Self::Zone => None,
        }
    }

    /// The choice that a line of the palette is for, and the rest of the line.
    pub fn of_line(line: &str) -> Option<(Self, &str)> {
        let (word, rest) = line.split_once(' ')?;
        let choice = Self::ALL.into_iter().find(|choice| choice.word() == word)?;
        Some((choice, rest.trim()))
    }
}

pub fn open(model: &mut Model, choice: Choice) -> Vec<Effect> {
    model.open(Dialog::Choose { choice, input: Input::default(), selected: 0 })
}

/// Everything that can be chosen now.
pub fn rows(model: &Model, choice: Choice) -> Rows {
    let here = &model.context;
    match choice {
        Choice::Profile => known(&model.place.profiles, |profile: &Profile| {
            let region = profile.region.clone().unwrap_or_else(|| "no region of its own".to_owned());
            let sign_in = profile.sign_in.map(|sign_in| format!("  {}", sign_in.word())).unwrap_or_default();
            let here = Some(&profile.name) == here.profile.as_ref();
            Some(Row { name: profile.name.clone(), note: format!("{region}{sign_in}"), here })
        }),
        Choice::Region => {
            let row = |(name, note): &(&str, &str)| Row {
                name: (*name).to_owned(),
                note: (*note).to_owned(),
                here: *name == here.region,
            };
            Rows::Known(neighbours(&here.region).map(row).collect())
        }
        Choice::Cluster => known(&model.place.clusters, |cluster: &Cluster| {
            Some(Row { name: cluster.name.clone(), note: size(cluster), here: cluster.name == here.cluster })
        }),
        Choice::Environment => known(&model.place.clusters, |cluster: &Cluster| {
            let name = cluster.environment()?.to_owned();
            Some(Row { here: here.ours() == Some(&name), name, note: size(cluster) })
        }),
        Choice::Theme => {
            let row = |name: &String| Row { name: name.clone(), note: String::new(), here: *name == model.theme };
            Rows::Known(model.themes.iter().map(row).collect())
        }
        Choice::Zone => {
            let ails = model.screens.fleet.below.zone();
            let row = |(name, tasks): (&str, Tasks)| Row {
                name: name.to_owned(),
                note: match ails == Some(name) {
                    true => format!("{}, {} healthy: it ails", count(tasks.there, "task"), tasks.healthy_there),
                    false => format!("{}, {} healthy", count(tasks.there, "task"), tasks.healthy_there),
                },
                here: false,
            };
            let mut zones = fleet::zones(model);
            // The one that ails is most likely meant.
            zones.sort_by_key(|(name, _)| ails != Some(name));
            Rows::Known(zones.into_iter().map(row).collect())
        }
    }
}

fn known<T>(remote: &Remote<Vec<T>>, row: impl Fn(&T) -> Option<Row>) -> Rows {
    match remote.get() {
        Some(all) => Rows::Known(all.iter().filter_map(row).collect()),
        None => Rows::Missing(remote.missing().unwrap_or_default()),
    }
}

fn size(cluster: &Cluster) -> String {
    match (cluster.services, cluster.tasks) {
        (Some(services), Some(tasks)) => {
            let number = |n: u32, what| count(usize::try_from(n).unwrap_or(usize::MAX), what);
            format!("{}, {} running", number(services, "service"), number(tasks, "task"))
        }
        _ => "its services could not be counted".to_owned(),
    }
}

/// The rows that match, best first.
pub fn matches(model: &Model, choice: Choice, query: &str) -> Vec<Row> {
    let Rows::Known(all) = rows(model, choice) else { return Vec::new() };
    let texts: Vec<String> = all.iter().map(|row| format!("{}  {}", row.name, row.note)).collect();
    fuzzy(query, &texts).into_iter().filter_map(|index| all.get(index).cloned()).collect()
}

/// What is taken where this was typed and nothing of the list matches it: a name that the list cannot know.
///
/// # Errors
/// Why it cannot be taken.
pub fn typed(model: &Model, choice: Choice, text: &str) -> Result<String, String> {
    let text = text.trim();
    match (choice, rows(model, choice)) {
        _ if text.is_empty() => Err(format!("there is no {} to choose", choice.word())),
        (Choice::Region, _) if is_region(text) => Ok(text.to_owned()),
        (Choice::Region, _) => Err(format!("{text:?} is not an AWS region, which looks like eu-central-1")),
        // Who may not list them may still know one.
        (Choice::Cluster | Choice::Environment, Rows::Missing(_)) => Ok(text.to_owned()),
        (choice, Rows::Known(_)) => Err(format!("there is no {} {text:?} here", choice.word())),
        (choice, Rows::Missing(why)) => Err(format!("{}s: {why}", choice.word())),
    }
}

pub(super) fn press(
    model: &mut Model,
    press: KeyPress,
    choice: Choice,
    mut input: Input,
    selected: usize,
) -> Option<Then> {
    let found = matches(model, choice, input.text());
    let last = found.len().saturating_sub(1);
    let moved = match (press.key, press.ctrl) {
        (Key::Down | Key::Tab, _) | (Key::Char('n'), true) => Some((selected + 1).min(last)),
        (Key::Up | Key::BackTab, _) | (Key::Char('p'), true) => Some(selected.saturating_sub(1)),
        (Key::PageDown, _) => Some((selected + 10).min(last)),
        (Key::PageUp, _) => Some(selected.saturating_sub(10)),
        _ => None,
    };
    if let Some(selected) = moved {
        model.dialogs.push(Dialog::Choose { choice, input, selected });
        return None;
    }
    match input.press(press) {
        Typed::Cancel => None,
        Typed::Taken => {
            model.dialogs.push(Dialog::Choose { choice, input, selected: 0 });
            None
        }
        Typed::Submit => {
            let chosen = found.into_iter().nth(selected.min(last)).map(|row| row.name);
            match chosen.map_or_else(|| typed(model, choice, input.text()), Ok) {
                Ok(name) => Some(Then::Choose(choice, name)),
                Err(why) => {
                    model.refuse(why);
                    model.dialogs.push(Dialog::Choose { choice, input, selected: 0 });
                    None
                }
            }
        }
    }
}

/// Does what was chosen.
pub(in crate::console) fn choose(model: &mut Model, choice: Choice, name: String) -> Vec<Effect> {
    let here = Destination::here(&model.context);
    let destination = match choice {
        Choice::Theme => {
            model.theme = name;
            return Vec::new();
        }
        Choice::Zone => {
            return operations::plan(model, PlanRequest::ShiftZone { zone: name, seconds: USUAL.as_secs() });
        }
        Choice::Profile => {
            let profiles = model.place.profiles.get().into_iter().flatten();
            let own = profiles.clone().find(|profile| profile.name == name).and_then(|profile| profile.region.clone());
            Destination { region: own.or(here.region), profile: Some(name), target: here.target }
        }
        Choice::Region => Destination { region: Some(name), ..here },
        Choice::Cluster | Choice::Environment => Destination { target: place::target_of(choice, &name), ..here },
    };
    place::go(model, destination)
}
