//! What themes look like: each role of each, that meanings which must differ do, and that they can be read.

use crate::support::painted::{SMALL, painted, text};
use crate::support::{Console, fixtures};
use jiff::tz::TimeZone;
use quarterdeck::ui::theme::{BUILT_IN, PLAIN, Role, Theme};
use ratatui::style::{Color, Style};

fn themes() -> Vec<Theme> {
    Theme::built_in(&TimeZone::UTC)
}

/// A style in the words of a theme's file, as far as the test needs them.
fn words(style: Style) -> String {
    let colour = |name: &str, colour: Option<Color>| colour.map(|colour| format!("{name}{colour}"));
    let modifiers = (!style.add_modifier.is_empty()).then(|| format!("{:?}", style.add_modifier));
    let parts = [colour("", style.fg), colour("on ", style.bg), modifiers];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_theme_has_its_roles() {
    assert_eq!(themes().len(), BUILT_IN.len());
    let mut out = String::new();
    for theme in themes() {
        out += &format!("{}\n", theme.name());
        for role in Role::ALL {
            out += format!("  {:<9} {}", role.name(), words(theme.role(*role))).trim_end();
            out += "\n";
        }
    }
    insta::assert_snapshot!("themes", out);
}

#[test]
fn every_style_of_the_table_is_read() {
    for (name, _, roles) in BUILT_IN {
        let theme = Theme::from_name(name, TimeZone::UTC).expect("a theme");
        for (role, said) in *roles {
            assert_ne!(theme.role(*role), Style::new(), "{name}.{}: {said}", role.name());
        }
    }
}

/// Meanings that stand side by side.
const APART: [Role; 8] =
    [Role::Text, Role::Good, Role::Warn, Role::Bad, Role::Muted, Role::Accent, Role::Selected, Role::Found];

#[test]
fn no_two_meanings_look_the_same() {
    // Without colour, words and symbols alone tell good from changing: only what has no symbol must differ.
    let bare = [Role::Bad, Role::Muted, Role::Selected, Role::Found];
    for theme in themes() {
        let apart: &[Role] = if theme.name() == PLAIN { &bare } else { &APART };
        for (index, one) in apart.iter().enumerate() {
            for other in &apart[index + 1..] {
                assert_ne!(theme.role(*one), theme.role(*other), "{}: {one:?} and {other:?}", theme.name());
            }
        }
    }
}

fn rgb(colour: Color) -> [f64; 3] {
    match colour {
        Color::Rgb(r, g, b) => [r, g, b].map(f64::from),
        Color::Black => [0.0; 3],
        other => panic!("{other} depends on the terminal"),
    }
}

/// Linear light of a channel (WCAG 2.2, "relative luminance").
fn linear(channel: f64) -> f64 {
    let channel = channel / 255.0;
    if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: Color, other: Color) -> f64 {
    let luminance = |colour| {
        let [r, g, b] = rgb(colour).map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b): (f64, f64) = (luminance(one), luminance(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn high_contrast_is_enhanced_contrast_for_every_role() {
    let theme = Theme::from_name("high-contrast", TimeZone::UTC).expect("a theme");
    let ground = theme.ground();
    for role in Role::ALL {
        let style = theme.role(*role);
        let (front, back) = (style.fg.or(ground.fg), style.bg.or(ground.bg));
        let ratio = contrast(front.expect("a colour"), back.expect("a ground"));
        // WCAG 2.2, success criterion 1.4.6.
        assert!(ratio >= 7.0, "{}: {ratio:.2}", role.name());
    }
    // The ground reaches every cell, also where nothing is written.
    let console = Console::with(fixtures::trouble());
    let buffer = painted(&console.model, &theme, SMALL).0;
    assert!(buffer.content.iter().all(|cell| cell.fg != Color::Reset && cell.bg != Color::Reset));
}

/// How colours look without the cones for red or for green (Machado, Oliveira and Fernandes 2009, severity 1).
const DICHROMATS: [(&str, [[f64; 3]; 3]); 2] = [
    (
        "protanopia",
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
    ),
    (
        "deuteranopia",
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
    ),
];

fn seen(colour: Color, matrix: &[[f64; 3]; 3]) -> [f64; 3] {
    let light = rgb(colour).map(linear);
    let row = |row: &[f64; 3]| row.iter().zip(light).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0).cbrt();
    [row(&matrix[0]), row(&matrix[1]), row(&matrix[2])]
}

#[test]
fn colour_blind_tells_good_changing_and_bad_apart() {
    let theme = Theme::from_name("colour-blind", TimeZone::UTC).expect("a theme");
    let of = |role| theme.role(role).fg.expect("a colour");
    for (kind, matrix) in &DICHROMATS {
        for (one, other) in [(Role::Good, Role::Warn), (Role::Good, Role::Bad), (Role::Warn, Role::Bad)] {
            let (a, b) = (seen(of(one), matrix), seen(of(other), matrix));
            let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!(distance > 0.25, "{kind}: {one:?} and {other:?} are {distance:.2} apart");
        }
    }
}

#[test]
fn a_theme_is_chosen_from_the_palette() {
    let mut console = Console::new();
    console.model.themes = themes().iter().map(|theme| theme.name().to_owned()).collect();
    console.model.theme = "dark".into();
    console.keys(":theme high<enter>");
    assert_eq!(console.model.theme, "high-contrast");
    console.keys(":theme<enter>");
    let theme = Theme::from_name(&console.model.theme, TimeZone::UTC).expect("a theme");
    insta::assert_snapshot!("choose-themes@80x24", text(&painted(&console.model, &theme, SMALL).0));
    console.keys("light<enter>");
    assert_eq!(console.model.theme, "light");
}
