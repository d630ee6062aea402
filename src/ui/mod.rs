//! Draws the model. Reads, never mutates.

pub mod theme;

use crate::core::model::Model;

/// Draws the console.
pub fn draw(_model: &Model, _theme: &theme::Theme, _frame: &mut ratatui::Frame) {}
