//! What meanings look like. Colour never stands alone: words and symbols carry the meaning, so the
//! plain theme, which has modifiers only, loses nothing.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::style::{Color, Modifier, Style};

use crate::core::logs::Severity;
use crate::core::meaning::Meaning;
use crate::core::plan::Risk;

/// Styles, and the time zone in which times are shown.
#[derive(Debug, Clone)]
pub struct Theme {
    palette: Palette,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Palette {
    Dark,
    Light,
    Plain,
}

/// The names that [`Theme::from_name`] knows.
pub const NAMES: [&str; 3] = ["dark", "light", "plain"];

impl Theme {
    /// The theme of this name: `dark`, `light`, or `plain` (no colour, for `NO_COLOR`).
    pub fn from_name(name: &str, zone: TimeZone) -> Option<Self> {
        let palette = match name {
            "dark" => Palette::Dark,
            "light" => Palette::Light,
            "plain" | "none" => Palette::Plain,
            _ => return None,
        };
        Some(Self { palette, zone })
    }

    /// For dark terminals.
    pub fn dark(zone: TimeZone) -> Self {
        Self { palette: Palette::Dark, zone }
    }

    /// Modifiers only, no colour.
    pub fn plain(zone: TimeZone) -> Self {
        Self { palette: Palette::Plain, zone }
    }

    /// The operator's time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// A point in time in the operator's zone.
    pub fn time(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    fn pick(&self, dark: Color, light: Color, plain: Modifier) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(dark),
            Palette::Light => Style::new().fg(light),
            Palette::Plain => Style::new().add_modifier(plain),
        }
    }

    /// The style of a meaning.
    pub fn of(&self, meaning: Meaning) -> Style {
        let none = Modifier::empty();
        match meaning {
            Meaning::Plain => Style::new(),
            Meaning::Good => self.pick(Color::Green, Color::Indexed(28), none),
            Meaning::Warn => self.pick(Color::Yellow, Color::Indexed(130), none),
            Meaning::Bad => {
                self.pick(Color::LightRed, Color::Indexed(160), Modifier::BOLD).add_modifier(Modifier::BOLD)
            }
            Meaning::Muted => self.pick(Color::Indexed(245), Color::Indexed(243), Modifier::DIM),
            Meaning::Accent => self.pick(Color::Cyan, Color::Indexed(25), none),
        }
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
        match self.palette {
            Palette::Dark => Style::new().bg(Color::Indexed(237)).add_modifier(Modifier::BOLD),
            Palette::Light => Style::new().bg(Color::Indexed(254)).add_modifier(Modifier::BOLD),
            Palette::Plain => Style::new().add_modifier(Modifier::REVERSED),
        }
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
        match self.palette {
            Palette::Dark => Style::new().fg(Color::Black).bg(Color::Yellow),
            Palette::Light => Style::new().fg(Color::Black).bg(Color::Indexed(222)),
            Palette::Plain => Style::new().add_modifier(Modifier::REVERSED),
        }
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

    /// A colour that stays with a task, so that its lines are seen together.
    pub fn task(&self, id: &str) -> Style {
        // FNV-1a gives the same in every run and version, which the standard hasher does not promise.
        let hash = id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let hues: &[u8] = match self.palette {
            Palette::Dark => &[75, 108, 139, 173, 110, 144, 180, 103],
            Palette::Light => &[24, 64, 90, 94, 30, 58, 130, 60],
            Palette::Plain => return Style::new(),
        };
        let index = usize::try_from((hash >> 32) % hues.len() as u64).unwrap_or(0);
        Style::new().fg(Color::Indexed(hues[index]))
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
