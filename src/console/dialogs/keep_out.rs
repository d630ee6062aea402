//! Asks how long somebody is to be kept out.

use super::{Dialog, Then};
use crate::console::input::{Input, Typed};
use crate::console::keymap::KeyPress;
use crate::console::model::Model;
use crate::console::screens::clients;
use crate::core::operation::PlanRequest;
use crate::core::quarantine::{USUAL, Who, length};

/// Who it is about, and what is typed.
#[derive(Debug, Clone)]
pub struct KeepOut {
    pub who: Who,
    /// What an operator calls them.
    pub called: String,
    /// Nothing typed is the usual time.
    pub input: Input,
    /// Why what was typed was not taken.
    pub error: Option<String>,
}

pub(super) fn press(model: &mut Model, press: KeyPress, mut asked: KeepOut) -> Option<Then> {
    asked.error = match asked.input.press(press) {
        Typed::Cancel => return None,
        Typed::Taken => None,
        Typed::Submit => match seconds(asked.input.text()) {
            Ok(seconds) => {
                let (who, lately) = (asked.who.clone(), clients::lately(model, &asked.who));
                return Some(Then::Plan(PlanRequest::Quarantine { who, seconds: Some(seconds), lately }));
            }
            Err(error) => Some(error),
        },
    };
    model.dialogs.push(Dialog::KeepOut(asked));
    None
}

fn seconds(text: &str) -> Result<i64, String> {
    if text.trim().is_empty() { Ok(USUAL.as_secs()) } else { length(text) }
}
