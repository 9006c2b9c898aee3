//! A table whose columns are as wide as what stands in them.

use crate::cli::{
    print,
    render::{Colours, visible},
};

/// A cell, and the state in whose colour it is shown.
#[derive(Debug)]
pub(super) struct Cell {
    text: String,
    state: Option<String>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text: visible(&text), state: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A cell in the colour of its state.
pub(super) fn state(text: &str, state: &str) -> Cell {
    Cell { text: visible(text), state: Some(state.to_owned()) }
}

/// Prints it; the last column is as wide as it likes.
pub(super) fn print_table(head: &[&str], rows: Vec<Vec<Cell>>, colours: Colours) {
    let head: Vec<Cell> = head.iter().map(|it| Cell::from(*it)).collect();
    let rows: Vec<Vec<Cell>> = std::iter::once(head).chain(rows).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |column: usize| {
        let of = rows.iter().filter_map(|row| row.get(column));
        of.map(|it| it.text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let padding = " ".repeat(width.saturating_sub(cell.text.chars().count()) + 2);
            let text = match &cell.state {
                Some(state) => colours.state(&cell.text, state),
                None => cell.text.clone(),
            };
            line.push_str(&text);
            line.push_str(&padding);
        }
        print::exactly(format_args!("{}\n", line.trim_end()));
    }
}
