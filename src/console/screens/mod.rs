//! One module per screen: its state, its rows, its actions.

pub mod clients;
pub mod fleet;
pub mod insights;
pub mod logs;
pub mod requests;
pub mod stack;

use super::table::{Column, Row};

/// A table as it is to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What the table shows, such as `servers` or `tasks of time`.
    pub title: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The rows shown, in order.
    pub rows: Vec<Row>,
    /// Rows before filtering.
    pub all: usize,
    /// Index of the selected row.
    pub selected: Option<usize>,
    /// What to say where there is no row.
    pub empty: String,
}
