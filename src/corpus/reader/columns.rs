//! The columns wanted of a file, and the cells that readers give for them.

use std::collections::HashMap;

use serde_json::Value;

/// What a row has in one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::corpus) enum Cell {
    /// The row has no such column.
    #[default]
    Absent,
    /// Any value; the cells of CSV and plain text are strings.
    Json(Value),
    /// A Parquet list of floats, kept apart for its size.
    Floats(Vec<f32>),
}

/// The columns of a file, numbered: all that turn up, or only those wanted.
#[derive(Clone, Debug)]
pub(in crate::corpus) struct Columns {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    all: bool,
}

impl Columns {
    /// Every column, numbered in the order in which they turn up.
    pub(in crate::corpus) fn all() -> Self {
        Self { names: Vec::new(), numbers: HashMap::new(), all: true }
    }

    /// These columns only.
    pub(in crate::corpus) fn only(names: Vec<String>) -> Self {
        let numbers = names.iter().enumerate().map(|(number, name)| (name.clone(), number)).collect();
        Self { names, numbers, all: false }
    }

    /// Names by number.
    pub(in crate::corpus) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether every column is wanted.
    pub(super) fn are_all(&self) -> bool {
        self.all
    }

    /// Whether a column is, or may come to be, wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.all || self.numbers.contains_key(name)
    }

    /// The number of a column, if it is wanted.
    pub(super) fn number(&mut self, name: &str) -> Option<usize> {
        if let Some(&number) = self.numbers.get(name) {
            return Some(number);
        }
        self.all.then(|| {
            self.names.push(name.to_owned());
            self.numbers.insert(name.to_owned(), self.names.len() - 1);
            self.names.len() - 1
        })
    }
}

/// Sets cell `number`, lengthening the row as needed.
pub(super) fn put(cells: &mut Vec<Cell>, number: usize, cell: Cell) {
    if cells.len() <= number {
        cells.resize(number + 1, Cell::Absent);
    }
    cells[number] = cell;
}
