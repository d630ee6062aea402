//! What meanings look like. Colour never stands alone: words and symbols carry the meaning, so the
//! plain theme, which has modifiers only, loses nothing.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::style::{Color, Modifier, Style};

use crate::core::logs::Severity;
use crate::core::meaning::Meaning;
use crate::core::plan::Risk;

macro_rules! roles {
    ($($role:ident $name:literal $doc:literal;)*) => {
        /// What a style is for. The table is closed: a theme's file can name these and no others.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role { $(#[doc = $doc] $role,)* }

        impl Role {
            pub const ALL: &[Self] = &[$(Self::$role),*];

            /// Its key in a theme's file.
            pub fn name(self) -> &'static str {
                match self { $(Self::$role => $name,)* }
            }

            /// What it is for, in a few words.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$role => $doc,)* }
            }
        }
    };
}

roles! {
    Text "text" "everything that is nothing else, and the background of all";
    Good "good" "well, done, added";
    Warn "warn" "changing, or to be looked at";
    Bad "bad" "wrong, failed, destructive";
    Muted "muted" "of less interest: ages, frames, headings";
    Accent "accent" "names, and keys that can be pressed";
    Selected "selected" "the selected row, over the styles of its cells";
    Found "found" "text that the search found";
    Task1 "task-1" "lines of one task, so that they are seen together";
    Task2 "task-2" "lines of another task";
    Task3 "task-3" "lines of another task";
    Task4 "task-4" "lines of another task";
    Task5 "task-5" "lines of another task";
    Task6 "task-6" "lines of another task";
    Task7 "task-7" "lines of another task";
    Task8 "task-8" "lines of another task";
}

/// The roles of tasks, one of which each task has.
const TASKS: [Role; 8] =
    [Role::Task1, Role::Task2, Role::Task3, Role::Task4, Role::Task5, Role::Task6, Role::Task7, Role::Task8];

/// A theme that comes with the program: its name, what it is for, and its roles in the words of a theme's file. A role
/// that is not named is the terminal's own text.
type BuiltIn = (&'static str, &'static str, &'static [(Role, &'static str)]);

use Role as R;

/// The themes that come with the program. The first one is in force where none is named.
pub const BUILT_IN: &[BuiltIn] = &[
    (
        "dark",
        "for dark terminals",
        &[
            (R::Good, "green"),
            (R::Warn, "yellow"),
            (R::Bad, "lightred bold"),
            (R::Muted, "245"),
            (R::Accent, "cyan"),
            (R::Selected, "on 237 bold"),
            (R::Found, "black on yellow"),
            (R::Task1, "75"),
            (R::Task2, "108"),
            (R::Task3, "139"),
            (R::Task4, "173"),
            (R::Task5, "110"),
            (R::Task6, "144"),
            (R::Task7, "180"),
            (R::Task8, "103"),
        ],
    ),
    (
        "light",
        "for light terminals",
        &[
            (R::Good, "28"),
            (R::Warn, "130"),
            (R::Bad, "160 bold"),
            (R::Muted, "243"),
            (R::Accent, "25"),
            (R::Selected, "on 254 bold"),
            (R::Found, "black on 222"),
            (R::Task1, "24"),
            (R::Task2, "64"),
            (R::Task3, "90"),
            (R::Task4, "94"),
            (R::Task5, "30"),
            (R::Task6, "58"),
            (R::Task7, "130"),
            (R::Task8, "60"),
        ],
    ),
    (
        "high-contrast",
        "white on black, every colour at 7:1 or more",
        &[
            (R::Text, "#ffffff on #000000"),
            (R::Good, "#5fff5f"),
            (R::Warn, "#ffff00"),
            (R::Bad, "#ff9c9c bold underlined"),
            (R::Muted, "#c8c8c8"),
            (R::Accent, "#00ffff"),
            (R::Selected, "#000000 on #ffffff bold"),
            (R::Found, "#000000 on #ffff00 bold"),
            (R::Task1, "#9fd0ff"),
            (R::Task2, "#b5e8a0"),
            (R::Task3, "#f0b8ff"),
            (R::Task4, "#ffc58f"),
            (R::Task5, "#8ff0e0"),
            (R::Task6, "#ffe08a"),
            (R::Task7, "#ffb3c8"),
            (R::Task8, "#d0d0ff"),
        ],
    ),
    (
        "colour-blind",
        "blue, yellow and vermilion, told apart without red or green (Okabe and Ito)",
        &[
            (R::Good, "#56b4e9"),
            (R::Warn, "#f0e442"),
            (R::Bad, "#d55e00 bold"),
            (R::Muted, "245"),
            (R::Accent, "#e0b8d0"),
            (R::Selected, "on 237 bold"),
            (R::Found, "black on #f0e442"),
            (R::Task1, "#56b4e9"),
            (R::Task2, "#e69f00"),
            (R::Task3, "#cc79a7"),
            (R::Task4, "#009e73"),
            (R::Task5, "#0f9bd8"),
            (R::Task6, "#c8b400"),
            (R::Task7, "#b0b0b0"),
            (R::Task8, "#8fb0ff"),
        ],
    ),
    (
        "terminal",
        "the sixteen colours that the terminal itself is set to",
        &[
            (R::Good, "green"),
            (R::Warn, "yellow"),
            (R::Bad, "red bold"),
            (R::Muted, "dim"),
            (R::Accent, "cyan"),
            (R::Selected, "reversed"),
            (R::Found, "black on yellow"),
            (R::Task1, "blue"),
            (R::Task2, "magenta"),
            (R::Task3, "lightblue"),
            (R::Task4, "lightmagenta"),
            (R::Task5, "lightgreen"),
            (R::Task6, "lightyellow"),
            (R::Task7, "lightcyan"),
            (R::Task8, "lightred"),
        ],
    ),
    (
        PLAIN,
        "no colour: words and symbols alone",
        &[(R::Bad, "bold"), (R::Muted, "dim"), (R::Selected, "reversed"), (R::Found, "reversed underlined")],
    ),
];

/// The theme without colour, which is in force where `NO_COLOR` is set (no-color.org).
pub const PLAIN: &str = "none";

/// Styles by their roles, and the time zone in which times are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    name: String,
    styles: BTreeMap<Role, Style>,
    zone: TimeZone,
}

/// A theme that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BadTheme {
    #[error("{theme}: there is no {key:?}; a theme has {known}", known = keys())]
    Key { theme: String, key: String },
    #[error("{theme}.{key}: {word:?} is no colour and no modifier; write a name such as lightred, a number from 0 to 255 or #rrggbb, `on` before the background, and any of {known}", known = modifiers())]
    Style { theme: String, key: String, word: String },
    #[error("{theme}.base: there is no theme {name:?} that comes with quarterdeck; {known} do", known = names())]
    Base { theme: String, name: String },
    #[error("{0}: a theme of this name comes with quarterdeck; choose another name")]
    Taken(String),
}

fn keys() -> String {
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    format!("base, {}", roles.join(", "))
}

fn names() -> String {
    BUILT_IN.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

fn modifiers() -> String {
    MODIFIERS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

const MODIFIERS: &[(&str, Modifier)] = &[
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
];

/// Reads a style: a colour, a background after `on`, and modifiers.
///
/// # Errors
/// The word that is none of them.
fn style(text: &str) -> Result<Style, String> {
    let (mut style, mut background) = (Style::new(), false);
    for word in text.split_whitespace() {
        let modifier = MODIFIERS.iter().find(|(name, _)| *name == word).map(|(_, modifier)| *modifier);
        match (word, modifier) {
            ("on", _) => background = true,
            (_, Some(modifier)) => style = style.add_modifier(modifier),
            (word, None) => {
                let colour = Color::from_str(word).map_err(|_| word.to_owned())?;
                style = if std::mem::take(&mut background) { style.bg(colour) } else { style.fg(colour) };
            }
        }
    }
    if background { Err("on".to_owned()) } else { Ok(style) }
}

impl Theme {
    /// The theme of this name that comes with the program; `plain` is another name of the one without colour.
    pub fn from_name(name: &str, zone: TimeZone) -> Option<Self> {
        let name = if name == "plain" { PLAIN } else { name };
        let (name, _, roles) = BUILT_IN.iter().find(|(known, ..)| *known == name)?;
        // A test reads every style of the table.
        let styles = roles.iter().filter_map(|(role, text)| Some((*role, style(text).ok()?))).collect();
        Some(Self { name: (*name).to_owned(), styles, zone })
    }

    /// All themes that come with the program.
    pub fn built_in(zone: &TimeZone) -> Vec<Self> {
        BUILT_IN.iter().filter_map(|(name, ..)| Self::from_name(name, zone.clone())).collect()
    }

    /// A theme of the operator's own, by its keys and their values. What it does not name is that of its base, which
    /// is `dark` where none is named.
    ///
    /// # Errors
    /// The first key or value that means nothing.
    pub fn own(name: &str, table: &BTreeMap<String, String>, zone: TimeZone) -> Result<Self, BadTheme> {
        let theme = || name.to_owned();
        if name == "plain" || BUILT_IN.iter().any(|(known, ..)| *known == name) {
            return Err(BadTheme::Taken(theme()));
        }
        let base = table.get("base").map_or("dark", String::as_str);
        let missing = || BadTheme::Base { theme: theme(), name: base.to_owned() };
        let mut own = Self::from_name(base, zone).ok_or_else(missing)?;
        theme().clone_into(&mut own.name);
        for (key, value) in table.iter().filter(|(key, _)| *key != "base") {
            let role = Role::ALL.iter().find(|role| role.name() == key);
            let role = role.ok_or_else(|| BadTheme::Key { theme: theme(), key: key.clone() })?;
            let style = style(value).map_err(|word| BadTheme::Style { theme: theme(), key: key.clone(), word })?;
            own.styles.insert(*role, style);
        }
        Ok(own)
    }

    /// For dark terminals.
    pub fn dark(zone: TimeZone) -> Self {
        Self::from_name("dark", zone.clone()).unwrap_or(Self::bare(zone))
    }

    /// Modifiers only, no colour.
    pub fn plain(zone: TimeZone) -> Self {
        Self::from_name(PLAIN, zone.clone()).unwrap_or(Self::bare(zone))
    }

    fn bare(zone: TimeZone) -> Self {
        Self { name: PLAIN.to_owned(), styles: BTreeMap::new(), zone }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operator's time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// A point in time in the operator's zone.
    pub fn time(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// The style of a role.
    pub fn role(&self, role: Role) -> Style {
        self.styles.get(&role).copied().unwrap_or_default()
    }

    /// The style of a meaning.
    pub fn of(&self, meaning: Meaning) -> Style {
        match meaning {
            // It stands on the ground of all, which has its style.
            Meaning::Plain => Style::new(),
            Meaning::Good => self.role(Role::Good),
            Meaning::Warn => self.role(Role::Warn),
            Meaning::Bad => self.role(Role::Bad),
            Meaning::Muted => self.role(Role::Muted),
            Meaning::Accent => self.role(Role::Accent),
        }
    }

    /// The ground on which all is drawn.
    pub fn ground(&self) -> Style {
        self.role(Role::Text)
    }

    /// Text of less interest.
    pub fn muted(&self) -> Style {
        self.of(Meaning::Muted)
    }

    /// Titles.
    pub fn title(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Column headings.
    pub fn heading(&self) -> Style {
        self.muted().add_modifier(Modifier::BOLD)
    }

    /// A key that can be pressed.
    pub fn key(&self) -> Style {
        self.of(Meaning::Accent).add_modifier(Modifier::BOLD)
    }

    /// The selected row, over the styles of its cells.
    pub fn selected(&self) -> Style {
        self.role(Role::Selected)
    }

    /// The tab of the screen shown.
    pub fn tab(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }

    /// A flag in the header that nobody must miss.
    pub fn flag(&self, meaning: Meaning) -> Style {
        self.of(meaning).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// Text that the search found.
    pub fn found(&self) -> Style {
        self.role(Role::Found)
    }

    /// What a severity means.
    pub fn severity(&self, severity: Severity) -> Style {
        match severity {
            Severity::Debug => self.muted(),
            Severity::Info => Style::new(),
            Severity::Warn => self.of(Meaning::Warn),
            Severity::Error => self.of(Meaning::Bad),
        }
    }

    /// A style that stays with a task, so that its lines are seen together.
    pub fn task(&self, id: &str) -> Style {
        // FNV-1a gives the same in every run and version, which the standard hasher does not promise.
        let hash = id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let index = usize::try_from((hash >> 32) % TASKS.len() as u64).unwrap_or(0);
        self.role(TASKS[index])
    }
}

/// What a risk means.
pub fn risk_meaning(risk: Risk) -> Meaning {
    match risk {
        Risk::Safe => Meaning::Plain,
        Risk::Disruptive => Meaning::Warn,
        Risk::Destructive => Meaning::Bad,
    }
}
