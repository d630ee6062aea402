//! Tables: rows of text with a meaning, filtered, sorted, and with a selection that follows its row.

use std::borrow::Cow;
use std::collections::HashSet;

use frizbee::{Config, Matcher};

use crate::core::meaning::Meaning;

/// A piece of text with its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// The text, safe for the terminal.
    pub text: String,
    /// What it means.
    pub meaning: Meaning,
}

impl Cell {
    /// A cell of this meaning.
    pub fn new(text: impl Into<String>, meaning: Meaning) -> Self {
        Self { text: text.into(), meaning }
    }

    /// A plain cell.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Meaning::Plain)
    }

    /// A muted cell.
    pub fn muted(text: impl Into<String>) -> Self {
        Self::new(text, Meaning::Muted)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its title, which is also its name in filters (in lower case).
    pub title: Cow<'static, str>,
    /// Narrowest useful width in cells.
    pub min: u16,
    /// Whether it takes the space that is left.
    pub grows: bool,
    /// Columns with the highest number are dropped first when there is no room.
    pub rank: u8,
    pub number: bool,
    /// Whether its end says most, so that a cut takes the beginning away.
    pub ends: bool,
}

impl Column {
    /// A column of text.
    pub const fn text(title: &'static str, min: u16, rank: u8) -> Self {
        Self { title: Cow::Borrowed(title), min, grows: false, rank, number: false, ends: false }
    }

    /// A column of text whose end says most.
    pub const fn ending(title: &'static str, min: u16, rank: u8) -> Self {
        Self { title: Cow::Borrowed(title), min, grows: false, rank, number: false, ends: true }
    }

    /// A column that takes the space that is left.
    pub const fn wide(title: &'static str, min: u16, rank: u8) -> Self {
        Self { title: Cow::Borrowed(title), min, grows: true, rank, number: false, ends: false }
    }

    /// A column of numbers.
    pub const fn number(title: &'static str, min: u16, rank: u8) -> Self {
        Self { title: Cow::Borrowed(title), min, grows: false, rank, number: true, ends: false }
    }

    /// The same with a title that is known only now.
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { title: Cow::Owned(title.into()), ..self }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Identifies the row across refreshes.
    pub key: String,
    /// One cell per column.
    pub cells: Vec<Cell>,
    /// Whether all is well; "faults only" shows the other rows.
    pub well: bool,
}

/// The state of a table: what is selected, shown and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    selected: Option<String>,
    index: usize,
    /// The filter as typed.
    pub filter: String,
    /// Column that sorts; `None` is the natural order.
    pub sort: Option<usize>,
    pub descending: bool,
    /// Show only what is not well.
    pub faults_only: bool,
}

/// A move of the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// By rows; negative is up.
    By(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

impl Table {
    /// Rows that are shown, in order.
    pub fn arrange(&self, columns: &[Column], mut rows: Vec<Row>) -> Vec<Row> {
        rows.retain(|row| !self.faults_only || !row.well);
        if !self.filter.trim().is_empty() {
            rows = filter(columns, rows, self.filter.trim());
        }
        if let Some(column) = self.sort {
            let text = |row: &Row| row.cells.get(column).map(|cell| cell.text.clone()).unwrap_or_default();
            rows.sort_by(|a, b| natural(&text(a), &text(b)));
        }
        if self.descending {
            rows.reverse();
        }
        rows
    }

    /// Index of the selected row among the arranged ones. A selection that is gone moves to its neighbour.
    pub fn position(&self, rows: &[Row]) -> Option<usize> {
        let by_key = self.selected.as_ref().and_then(|key| rows.iter().position(|row| &row.key == key));
        by_key.or_else(|| rows.len().checked_sub(1).map(|last| self.index.min(last)))
    }

    /// Key of the selected row.
    pub fn selection<'a>(&self, rows: &'a [Row]) -> Option<&'a str> {
        self.position(rows).and_then(|index| rows.get(index)).map(|row| row.key.as_str())
    }

    /// Selects the row of this key, where there is one.
    pub fn select(&mut self, key: &str) {
        self.selected = Some(key.to_owned());
    }

    /// Key of the row that was selected, where all rows are shown; which one is selected else follows from the rows.
    pub fn selected_of_all(&self) -> Option<&str> {
        self.selected.as_deref().filter(|_| self.filter.is_empty() && !self.faults_only)
    }

    /// Whether a row was selected.
    pub fn touched(&self) -> bool {
        self.selected.is_some()
    }

    /// Moves the selection.
    pub fn go(&mut self, rows: &[Row], to: Move) {
        let Some(last) = rows.len().checked_sub(1) else { return };
        let now = self.position(rows).unwrap_or(0);
        self.index = match to {
            Move::By(rows) => now.saturating_add_signed(rows).min(last),
            Move::First => 0,
            Move::Last => last,
        };
        self.selected = Some(rows[self.index].key.clone());
    }

    /// Begins anew, for other rows: only what kind of rows are wanted stays.
    pub fn renew(&mut self) {
        *self = Self { faults_only: self.faults_only, ..Self::default() };
    }

    /// Removes the filter. Returns whether there was one.
    pub fn unfilter(&mut self) -> bool {
        !std::mem::take(&mut self.filter).is_empty()
    }

    /// Sorts by the next column, then by none again.
    pub fn sort_next(&mut self, columns: usize) {
        self.sort = match self.sort {
            None => Some(0),
            Some(column) if column + 1 < columns => Some(column + 1),
            Some(_) => None,
        };
    }
}

/// Keeps the rows for which every word of the query holds. `field:value` holds where the column contains the value,
/// `^x` and `x$` where a cell begins or ends so, `'x` and a plain word where a cell contains it, and `!` before any of
/// them where it does not. A plain word that no row contains may leave letters out: `wthr` is `weather`, but never
/// `svc-444` some other service whose cells have these letters one after the other.
fn filter(columns: &[Column], mut rows: Vec<Row>, query: &str) -> Vec<Row> {
    for word in query.split_whitespace() {
        let (wanted, word) = word.strip_prefix('!').map_or((true, word), |word| (false, word));
        let (field, text) = column(columns, word).unzip();
        let text = text.unwrap_or_else(|| word.to_lowercase());
        let holds = |row: &Row, test: Test<'_>| {
            let here = |(index, _): &(usize, &Cell)| field.is_none_or(|field| field == *index);
            row.cells.iter().enumerate().filter(here).any(|(_, cell)| test.holds(&cell.text.to_lowercase()))
        };
        let test = Test::of(&text);
        // What stands in quotes, in a column, or behind `!` is meant to the letter.
        let to_the_letter = !wanted || field.is_some() || !matches!(test, Test::Contains(x) if x == text);
        if to_the_letter || rows.iter().any(|row| holds(row, test)) {
            rows.retain(|row| text.is_empty() || holds(row, test) == wanted);
        } else {
            rows = leaves_out(rows, &text);
        }
    }
    rows
}

/// The rows with a cell of one word, of which the filter leaves letters out.
fn leaves_out(rows: Vec<Row>, word: &str) -> Vec<Row> {
    let cells = rows.iter().enumerate().flat_map(|(at, row)| row.cells.iter().map(move |cell| (at, &cell.text)));
    let (owners, cells): (Vec<usize>, Vec<String>) =
        cells.filter(|(_, text)| !text.contains(' ')).map(|(at, text)| (at, text.to_lowercase())).unzip();
    // All at once: this is done for each picture.
    let found: HashSet<usize> = fuzzy(word, &cells).into_iter().filter_map(|cell| owners.get(cell).copied()).collect();
    rows.into_iter().enumerate().filter(|(at, _)| found.contains(at)).map(|(_, row)| row).collect()
}

/// What a word of a filter asks of a cell, in small letters.
#[derive(Clone, Copy)]
enum Test<'a> {
    Begins(&'a str),
    Ends(&'a str),
    Contains(&'a str),
}

impl<'a> Test<'a> {
    fn of(word: &'a str) -> Self {
        match (word.strip_prefix('\''), word.strip_prefix('^'), word.strip_suffix('$')) {
            (Some(x), ..) => Self::Contains(x),
            (_, Some(x), _) => Self::Begins(x),
            (_, _, Some(x)) => Self::Ends(x),
            _ => Self::Contains(word),
        }
    }

    fn holds(self, cell: &str) -> bool {
        match self {
            Self::Begins(x) => cell.starts_with(x),
            Self::Ends(x) => cell.ends_with(x),
            Self::Contains(x) => cell.contains(x),
        }
    }
}

fn column(columns: &[Column], word: &str) -> Option<(usize, String)> {
    let (field, value) = word.split_once(':')?;
    let index = columns.iter().position(|column| column.title.eq_ignore_ascii_case(field))?;
    Some((index, value.to_lowercase()))
}

/// Compares by amount where both begin with one, else by text. What begins with an amount comes
/// first, so that the order is total in a column that mixes both.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Greater, Less};
    match (amount(a), amount(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        (Some(_), None) => Less,
        (None, Some(_)) => Greater,
        (None, None) => a.to_lowercase().cmp(&b.to_lowercase()),
    }
}

/// The number that a text begins with; a duration (`4m12s`) in seconds.
fn amount(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let mut rest = text[end..].chars();
    let unit = match (rest.next(), rest.next()) {
        (Some('s'), None) => 1.0,
        (Some('m'), Some('s')) => return Some(number / 1_000.0),
        (Some('m'), None | Some('0'..='9')) => 60.0,
        (Some('h'), None | Some('0'..='9')) => 3_600.0,
        (Some('d'), None | Some('0'..='9')) => 86_400.0,
        _ => return Some(number),
    };
    Some(number * unit + amount(&text[end + 1..]).unwrap_or(0.0))
}

/// Indices of the names that match a query, best first; all of them for an empty query.
pub fn fuzzy(query: &str, names: &[String]) -> Vec<usize> {
    if query.trim().is_empty() {
        return (0..names.len()).collect();
    }
    let found = Matcher::from_query(query, &Config::default()).match_list(names);
    found.iter().map(|found| found.index as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const COLUMNS: &[Column] = &[Column::text("NAME", 8, 0), Column::number("TASKS", 5, 1)];

    fn rows() -> Vec<Row> {
        let row = |name: &str, tasks: &str, well| Row {
            key: name.into(),
            cells: vec![Cell::plain(name), Cell::plain(tasks)],
            well,
        };
        vec![row("time", "10/10", true), row("weather", "2/3", false), row("docs", "1/1", true)]
    }

    fn names(table: &Table) -> Vec<String> {
        table.arrange(COLUMNS, rows()).into_iter().map(|row| row.key).collect()
    }

    #[rstest]
    #[case("", &["time", "weather", "docs"])]
    #[case("wthr", &["weather"])]
    #[case("!'time", &["weather", "docs"])]
    #[case("!ti", &["weather", "docs"])]
    #[case("!wthr", &["time", "weather", "docs"])]
    #[case("!name:time", &["weather", "docs"])]
    #[case("!tasks:1", &["weather"])]
    #[case("^1", &["time", "docs"])]
    #[case("/1$", &["docs"])]
    #[case("1/1", &["docs"])]
    #[case("wthr 2/3", &["weather"])]
    #[case("wthr 1/1", &[])]
    #[case("wthr!", &[])]
    #[case("t10", &[])]
    #[case("!", &["time", "weather", "docs"])]
    #[case("'wthr", &[])]
    #[case("name:", &["time", "weather", "docs"])]
    #[case("e", &["time", "weather"])]
    #[case("name:DOC", &["docs"])]
    #[case("tasks:2/ wea", &["weather"])]
    #[case("nothing-like-it", &[])]
    fn a_filter_keeps_the_matching_rows(#[case] filter: &str, #[case] expected: &[&str]) {
        assert_eq!(names(&Table { filter: filter.into(), ..Table::default() }), expected);
    }

    #[test]
    fn a_name_that_is_not_there_finds_no_other() {
        let cells = |name: &str| ["4/4", "svc - 4 of 4, 4 more", name].map(Cell::plain).to_vec();
        let row = |name: &str| Row { key: name.into(), cells: cells(name), well: true };
        let kept = |query| filter(COLUMNS, vec![row("svc-000"), row("svc-440")], query).len();
        assert_eq!((kept("svc-444"), kept("svc-44"), kept("svc-4"), kept("sv0")), (0, 1, 1, 2));
    }

    #[test]
    fn sorts_numbers_by_value() {
        let table = Table { sort: Some(1), ..Table::default() };
        assert_eq!(names(&table), ["docs", "weather", "time"]);
        assert_eq!(names(&Table { descending: true, ..table }), ["time", "weather", "docs"]);
    }

    #[rstest]
    #[case(&["2m05s", "50s", "1h00m", "3d04h"], &["50s", "2m05s", "1h00m", "3d04h"])]
    #[case(&["1.25s", "250ms", "0.64ms", "2m05s"], &["0.64ms", "250ms", "1.25s", "2m05s"])]
    #[case(&["9", "10.88.0.2", "10", "-"], &["9", "10", "-", "10.88.0.2"])]
    #[case(&["10 tasks", "9 tasks"], &["9 tasks", "10 tasks"])]
    fn the_natural_order_is_total_and_knows_durations(#[case] texts: &[&str], #[case] sorted: &[&str]) {
        for turn in 0..texts.len() {
            let mut texts = texts.to_vec();
            texts.rotate_left(turn);
            texts.sort_by(|a, b| natural(a, b));
            assert_eq!(texts, sorted);
        }
    }

    #[test]
    fn faults_only_keeps_the_rows_with_faults() {
        assert_eq!(names(&Table { faults_only: true, ..Table::default() }), ["weather"]);
    }

    #[test]
    fn the_selection_follows_its_row_and_survives_its_loss() {
        let mut table = Table::default();
        let all = rows();
        table.go(&all, Move::By(1));
        assert_eq!(table.selection(&all), Some("weather"));
        let reordered: Vec<Row> = all.iter().rev().cloned().collect();
        assert_eq!(table.position(&reordered), Some(1));
        let without: Vec<Row> = all.iter().filter(|row| row.key != "weather").cloned().collect();
        assert_eq!(table.selection(&without), Some("docs"), "the neighbour takes its place");
        assert_eq!(table.selection(&[]), None);
    }
}
