//! The last row: the keys valid now, or the line being typed; and the messages above it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::paint::{self, span};
use super::theme::Theme;
use crate::console::action::{Action, Here, Scope, available};
use crate::console::dialogs::Dialog;
use crate::console::model::{Model, PromptKind};
use crate::console::msg::Notice;
use crate::console::operations::why_not;
use crate::console::screens::Body;
use crate::core::error::ErrorKind;
use crate::core::meaning::Meaning;
use crate::core::operation::Operation;
use crate::core::plan::Confirm;

/// A key, and what it does.
type Hint = (String, String);

/// Draws the keys, or the prompt; where its cursor is.
pub fn draw(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) -> Option<Position> {
    if model.dialogs.is_empty()
        && let Some(prompt) = &model.prompt
    {
        let label = label(model, prompt.kind);
        let room = usize::from(area.width).saturating_sub(label.len() + 1);
        let (text, column) = paint::typed(&prompt.input, room);
        paint::row(buf, area, 0, &Line::from(vec![span(label, theme.key()), Span::raw(text)]));
        let x = area.x + u16::try_from(label.len()).unwrap_or(0) + column;
        return Some(Position { x: x.min(area.right().saturating_sub(1)), y: area.y });
    }
    let hints = match model.dialogs.last() {
        Some(dialog) => in_dialog(model, dialog),
        None => on_screen(model),
    };
    paint::row(buf, area, 0, &Line::from(fitted(&hints, usize::from(area.width), theme)));
    None
}

fn label(model: &Model, entry: PromptKind) -> &'static str {
    match entry {
        PromptKind::Filter if searches(model) => "search /",
        PromptKind::Filter => "filter /",
        PromptKind::Keep => "keep lines with &",
        PromptKind::Hide => "hide lines with !",
        PromptKind::Jump => "go to the time @",
        PromptKind::Insights => "Logs Insights query: ",
    }
}

/// Whether the filter key searches here.
fn searches(model: &Model) -> bool {
    matches!(model.screen.info().body, Body::Lines { .. })
}

/// As many hints as fit, in order, and always the last one (help, or the way out).
fn fitted(hints: &[Hint], cells: usize, theme: &Theme) -> Vec<Span<'static>> {
    let wide = |(key, name): &Hint| crate::core::text::width(key) + crate::core::text::width(name) + 3;
    let Some((last, rest)) = hints.split_last() else { return Vec::new() };
    let mut room = cells.saturating_sub(wide(last));
    let mut shown: Vec<&Hint> = Vec::new();
    for hint in rest {
        if wide(hint) > room {
            break;
        }
        room -= wide(hint);
        shown.push(hint);
    }
    shown.push(last);
    let spans = shown.into_iter().flat_map(|(key, name)| {
        [span(key.clone(), theme.key()), span(format!(" {name}"), theme.muted()), Span::raw("  ")]
    });
    spans.collect()
}

/// The most useful first. What is not named here follows in the order of the table.
const USEFUL: &[Action] = &[
    Action::Open,
    Action::Pause,
    Action::Filter,
    Action::ServerLogs,
    Action::DoctorAgain,
    Action::DoctorAll,
    Action::TimelineLogs,
    Action::TimelineWindow,
    Action::Deploy,
    Action::Rotate,
    Action::SignOut,
    Action::SwitchUser,
    Action::NextError,
    Action::Sources,
    Action::JumpTime,
    Action::Scale,
    Action::Restart,
    Action::Rollback,
    Action::StopTask,
    Action::Describe,
    Action::Keep,
    Action::Hide,
    Action::LogDetail,
    Action::Older,
    Action::Newer,
    Action::Histogram,
    Action::Mark,
    Action::LogSave,
    Action::Wrap,
    Action::TimeMode,
    Action::FaultsOnly,
    Action::Events,
    Action::StackEvents,
];

fn on_screen(model: &Model) -> Vec<Hint> {
    let offered = available(model);
    let screen = model.screen.info().shown.name;
    let hint = |action: Action| {
        let (info, keys) = offered.iter().find(|(info, _)| info.action == action)?;
        let name = match action {
            Action::Filter if searches(model) => "search",
            Action::Pause if model.screens.logs.paused() => "follow",
            // Which screen it is, the tabs say; on Clients it stands before the names of what is done with a client.
            _ => {
                let of = [screen, screen.trim_end_matches('s')].into_iter().find_map(|of| info.name.strip_prefix(of));
                of.and_then(|name| name.strip_prefix('-')).unwrap_or(info.name)
            }
        };
        Some((keys.first()?.clone(), name.to_owned()))
    };
    let own = offered.iter().filter(|(info, _)| info.scope != Scope::Global).map(|(info, _)| info.action);
    let also = [Action::Palette, Action::Operations, Action::Refresh, Action::SortNext, Action::Copy, Action::Quit];
    let mut order: Vec<Action> = USEFUL.to_vec();
    order.extend(own.filter(|action| !USEFUL.contains(action)));
    order.extend(also);
    order.push(Action::Help);
    let here = Here::of(model);
    order.into_iter().filter(|action| here.leads(*action)).filter_map(hint).collect()
}

fn hint(key: &str, name: &str) -> Hint {
    (key.to_owned(), name.to_owned())
}

fn in_dialog(model: &Model, dialog: &Dialog) -> Vec<Hint> {
    match dialog {
        Dialog::Help { .. } => vec![hint("a-z", "search"), hint("down/up", "scroll"), hint("esc", "close")],
        Dialog::Text { .. } => vec![scroll(model), hint("esc", "close")],
        Dialog::Palette { .. } => vec![hint("enter", "go"), hint("up/down", "choose"), hint("esc", "close")],
        Dialog::Scale { .. } | Dialog::KeepOut(_) => {
            vec![hint("enter", "plan it (nothing changes yet)"), hint("esc", "cancel")]
        }
        Dialog::Pick { pick, .. } if pick.toggles() => {
            vec![hint("space", "show or not"), scroll(model), hint("esc", "close")]
        }
        Dialog::Choose { .. } => vec![hint("enter", "go"), hint("up/down", "choose"), hint("esc", "close")],
        Dialog::Pick { .. } => vec![hint("enter", "choose"), scroll(model), hint("esc", "cancel")],
        Dialog::Skips(_) => {
            vec![hint("space", "skip or not"), hint("enter", "plan it (nothing changes yet)"), hint("esc", "cancel")]
        }
        Dialog::Planning { .. } => vec![hint("esc", "cancel")],
        Dialog::Operations { .. } => vec![hint("enter", "show"), scroll(model), hint("esc", "close")],
        Dialog::Operation { id, .. } => on_operation(model, id),
    }
}

fn scroll(model: &Model) -> Hint {
    let first = |action| model.keymap.keys(action).into_iter().next().unwrap_or_default();
    (format!("{}/{}", first(Action::Down), first(Action::Up)), "scroll".to_owned())
}

fn on_operation(model: &Model, id: &str) -> Vec<Hint> {
    let Some(operation) = model.operation(id) else { return vec![hint("esc", "close")] };
    if operation.asks() {
        return match (operation.confirm(), operation.read_only) {
            (Confirm::Typed(_), _) => vec![hint("enter", "confirm"), hint("esc", "leave everything as it is")],
            (Confirm::Yes, true) => vec![scroll(model), hint("esc", "close")],
            (Confirm::Yes, false) => {
                vec![hint("y", "do it"), scroll(model), hint("n/esc", "leave everything as it is")]
            }
        };
    }
    let mut hints: Vec<Hint> = available(model)
        .into_iter()
        .filter(|(info, _)| why_not(model, operation, info.action).is_none())
        .filter_map(|(info, keys)| Some((keys.first()?.clone(), info.name.to_owned())))
        .collect();
    hints.push(scroll(model));
    hints.push(hint("esc", if operation.active() { "close (it goes on)" } else { "close" }));
    hints
}

/// That the credentials are not accepted any more, or that there are none, and what helps. It stands until they are.
fn signed_out(model: &Model) -> Option<String> {
    let error = model.place.signed_out()?;
    let profile = model.context.profile.as_deref().map(|name| format!(" of profile {name}")).unwrap_or_default();
    let what = match error.kind {
        ErrorKind::NoCredentials => format!("no credentials{profile} are found"),
        _ => format!("credentials{profile} are not accepted any more"),
    };
    let way = match (model.context.renewal(), model.keymap.keys(Action::SignIn).first()) {
        (Some(command), Some(key)) => format!("{key} runs `{}`", command.join(" ")),
        (Some(command), None) => format!("run `{}`", command.join(" ")),
        (None, _) => error.hint.clone().unwrap_or_else(|| error.message.clone()),
    };
    Some(format!("{what}: {way}"))
}

/// Draws the messages over the last rows of the body, the newest at the bottom; below them, why
/// what is typed was not taken.
pub fn toasts(model: &Model, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let mut bottom = area.height;
    let refused = model.prompt.as_ref().and_then(|prompt| prompt.error.as_ref());
    let refused = refused.map(|why| ("✖", why, Meaning::Bad));
    let signed_out = signed_out(model);
    let signed_out = signed_out.as_ref().map(|why| ("✖", why, Meaning::Bad));
    // A question stands in these rows, too, and it must be read.
    let asked = match model.dialogs.last() {
        Some(Dialog::Operation { id, .. }) => model.operation(id).is_some_and(Operation::asks),
        _ => false,
    };
    let toasts = model.toasts.iter().rev().filter(|_| !asked).map(|toast| match &toast.notice {
        Notice::Good(text) => ("✔", text, Meaning::Good),
        Notice::Bad(text) => ("✖", text, Meaning::Bad),
    });
    for (mark, text, meaning) in refused.into_iter().chain(signed_out.filter(|_| !asked)).chain(toasts) {
        let line = Line::from(span(format!("{mark} {text}"), theme.of(meaning)));
        let lines = paint::wrap(&line, usize::from(area.width.saturating_sub(1)), 2);
        let height = u16::try_from(lines.len().min(4)).unwrap_or(4);
        // Messages never cover the upper half of the body.
        if bottom < area.height / 2 + height {
            return;
        }
        bottom -= height;
        let band = paint::band(area, bottom, height);
        paint::clear(buf, band);
        for (index, line) in (0..height).zip(&lines) {
            paint::row(buf, band, index, line);
        }
    }
}
