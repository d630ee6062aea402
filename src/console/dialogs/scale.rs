//! Asks for a desired count, for the bounds of autoscaling, or for both.

use super::{Dialog, Then};
use crate::console::input::{Input, Typed};
use crate::console::keymap::KeyPress;
use crate::console::model::Model;
use crate::core::environment::MAX_TASKS;
use crate::core::fleet::Bounds;
use crate::core::operation::PlanRequest;

pub(super) fn press(model: &mut Model, press: KeyPress, server: String, mut input: Input) -> Option<Then> {
    let error = match input.press(press) {
        Typed::Cancel => return None,
        Typed::Taken => None,
        Typed::Submit => match parse(input.text()) {
            Ok((desired, bounds)) => return Some(Then::Plan(PlanRequest::Scale { server, desired, bounds })),
            Err(error) => Some(error),
        },
    };
    model.dialogs.push(Dialog::Scale { server, input, error });
    None
}

/// `3` is a desired count, `2..6` are bounds, `3 2..6` is both.
///
/// # Errors
/// Says what was expected, with the limit.
pub fn parse(text: &str) -> Result<(Option<u32>, Option<Bounds>), String> {
    let expected = || format!("{:?} is not a count from 0 to {MAX_TASKS} nor bounds such as 2..6", text.trim());
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= MAX_TASKS).ok_or_else(expected);
    let (mut desired, mut bounds) = (None, None);
    for word in text.split_whitespace() {
        if let Some((min, max)) = word.split_once("..") {
            let (min, max) = (number(min)?, number(max)?);
            if min > max {
                return Err(format!("the bounds {min}..{max} are the wrong way round"));
            }
            bounds = Some(Bounds { min, max });
        } else {
            desired = Some(number(word)?);
        }
    }
    if desired.is_none() && bounds.is_none() { Err(expected()) } else { Ok((desired, bounds)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("3", Ok((Some(3), None)))]
    #[case("2..6", Ok((None, Some(Bounds { min: 2, max: 6 }))))]
    #[case("3 2..6", Ok((Some(3), Some(Bounds { min: 2, max: 6 }))))]
    #[case("0", Ok((Some(0), None)))]
    fn counts_and_bounds_are_read(#[case] text: &str, #[case] expected: Result<(Option<u32>, Option<Bounds>), String>) {
        assert_eq!(parse(text), expected);
    }

    #[rstest]
    #[case("-1")]
    #[case("10000")]
    #[case("")]
    #[case("many")]
    #[case("6..2")]
    fn anything_else_is_explained(#[case] text: &str) {
        assert!(parse(text).is_err());
    }
}
