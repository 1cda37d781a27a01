//! CSV whose mistakes have a place: rows of cells, each with its line and column.

use std::fmt;

/// A cell, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    pub at: Place,
}

/// Line of the file and column of the row, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct CsvError {
    pub at: Place,
    pub reason: String,
}

impl CsvError {
    pub fn new(at: Place, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

/// The rows of a file, without the empty ones. Cells are separated by commas and may be quoted
/// ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)).
///
/// # Errors
/// A quote is not closed, or something follows it.
pub fn rows(text: &str) -> Result<Vec<Vec<Cell>>, CsvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    let mut line = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let at = Place { line, column: row.len() + 1 };
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_cell(quoted, at)?,
            None => {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                (rest[..end].trim_end_matches('\r').to_owned(), &rest[end..])
            }
        };
        line += cell.matches('\n').count();
        row.push(Cell { text: cell.trim().to_owned(), at });
        rest = match after.strip_prefix(',') {
            // A comma at the end of the file is followed by one more, empty cell, which does not matter.
            Some(after) => after,
            None => {
                let after = after.trim_start_matches('\r');
                if !after.is_empty() && !after.starts_with('\n') {
                    return Err(CsvError::new(at, "text follows the closing quote"));
                }
                rows.push(std::mem::take(&mut row));
                line += usize::from(!after.is_empty());
                after.strip_prefix('\n').unwrap_or(after)
            }
        };
    }
    rows.extend(Some(row).filter(|row| !row.is_empty()));
    rows.retain(|row| row.iter().any(|cell| !cell.text.is_empty()));
    Ok(rows)
}

/// The cell after an opening quote, and the text after the closing one.
fn quoted_cell(text: &str, at: Place) -> Result<(String, &str), CsvError> {
    let (mut cell, mut rest) = (String::new(), text);
    loop {
        let end = rest.find('"').ok_or_else(|| CsvError::new(at, "a quote is not closed"))?;
        cell.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            None => return Ok((cell, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<Vec<String>> {
        rows(text).unwrap().into_iter().map(|row| row.into_iter().map(|cell| cell.text).collect()).collect()
    }

    #[test]
    fn cells_are_read_with_and_without_quotes() {
        let text = "\u{feff}\"a, b\",c\r\n\r\n\"say \"\"x\"\"\",\n1,2,\"3\"";

        assert_eq!(texts(text), [vec!["a, b", "c"], vec!["say \"x\"", ""], vec!["1", "2", "3"]]);
    }

    #[test]
    fn a_cell_knows_its_line_and_column() {
        let rows = rows("a,b\n\n\"two\nlines\",c\nd,e\n").unwrap();

        let place = |row: usize, column: usize| (rows[row][column].at.line, rows[row][column].at.column);
        assert_eq!((place(0, 1), place(1, 0), place(2, 1)), ((1, 2), (3, 1), (5, 2)));
    }

    #[test]
    fn a_mistake_has_a_place() {
        assert_eq!(rows("a,b\nc,\"d").unwrap_err().to_string(), "line 2, column 2: a quote is not closed");
        assert_eq!(rows("\"a\"b,c").unwrap_err().to_string(), "line 1, column 1: text follows the closing quote");
    }
}
