//! Saving lines to a file. A million lines take longer to write down than a key may wait, so they
//! are put together a slice at a time.

use jiff::Timestamp;

use crate::console::effect::Effect;
use crate::console::model::Model;
use crate::core::logs::{Anchor, Kept};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Time, server, task, text, which may have several lines.
    Text,
    /// A JSON object a line.
    Ndjson,
}

/// What is being put together.
#[derive(Debug, Clone)]
pub struct Saving {
    all: bool,
    form: Form,
    text: String,
    after: Option<Anchor>,
}

/// Lines written in one slice.
const SLICE: usize = 4_096;

/// Begins to save; the rest is done by [`work`].
pub fn begin(model: &mut Model, all: bool, form: Form) {
    model.screens.logs.saving = Some(Saving { all, form, text: String::new(), after: None });
}

/// Writes the next slice; with the last one the file is saved.
pub fn work(model: &mut Model) -> Vec<Effect> {
    let Some(mut saving) = model.screens.logs.saving.take() else { return Vec::new() };
    let mut lines = 0;
    for kept in model.screens.logs.store.after(saving.after, saving.all).take(SLICE) {
        write(&mut saving.text, kept, saving.form);
        saving.after = Some(kept.anchor);
        lines += 1;
    }
    if lines == SLICE {
        model.screens.logs.saving = Some(saving);
        return Vec::new();
    }
    let ending = if saving.form == Form::Text { "log" } else { "ndjson" };
    let name = format!("quarterdeck-{}-{}.{ending}", model.context.environment, model.now.as_second());
    vec![Effect::Save(name, saving.text)]
}

fn write(out: &mut String, kept: Kept<'_>, form: Form) {
    let line = kept.line;
    match form {
        Form::Ndjson => out.push_str(&serde_json::to_string(&line).unwrap_or_default()),
        Form::Text => {
            let at = Timestamp::from_millisecond(line.at).unwrap_or_default();
            out.push_str(&format!("{at} {} {} {}", line.server, kept.tag, line.text));
        }
    }
    out.push('\n');
}
