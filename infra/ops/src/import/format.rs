//! Detects whether a file is JSON Lines at all. Otherwise each line of another format would be rejected, although the
//! reason is the file's and not the line's.

use super::{ImportError, Reject, record};

/// The code of a line that is longer than the limit.
pub(super) const TOO_LONG: &str = "line_too_long";

/// A file is refused after this many lines without a JSON object.
const FIRST_LINES: usize = 10;

/// Rejects are held back until a line shows that the file is JSON Lines.
#[derive(Debug, Default)]
pub(super) struct FileFormat {
    is_known: bool,
    held: Vec<Reject>,
    guess: Option<Guess>,
}

/// The format that the first line suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Guess {
    what: &'static str,
    /// No JSON Lines file begins like this, not even a bad one.
    certain: bool,
}

impl FileFormat {
    /// A line is a JSON object. Returns the rejects that were held back.
    pub(super) fn is_json_lines(&mut self) -> Vec<Reject> {
        self.is_known = true;
        std::mem::take(&mut self.held)
    }

    /// A line was rejected, with this code. Returns the rejects that need not be held back.
    ///
    /// # Errors
    /// The file is of another format.
    pub(super) fn rejects(&mut self, line: &[u8], code: &str, reject: Reject) -> Result<Vec<Reject>, ImportError> {
        if !matches!(code, TOO_LONG | record::NO_OBJECT) {
            self.is_known = true;
        }
        if self.held.is_empty() && !self.is_known {
            self.guess = guess(line);
        }
        self.held.push(reject);
        if self.is_known {
            return Ok(std::mem::take(&mut self.held));
        }
        let certain = self.guess.is_some_and(|guess| guess.certain);
        let given_up = certain || self.held.len() >= FIRST_LINES || (self.guess.is_some() && self.held.len() > 1);
        if given_up { Err(self.error()) } else { Ok(Vec::new()) }
    }

    /// The file ended. Returns the rejects that were held back.
    ///
    /// # Errors
    /// It is of another format.
    pub(super) fn ends(&mut self) -> Result<Vec<Reject>, ImportError> {
        if !self.is_known && (self.guess.is_some() || self.held.len() > 1) {
            return Err(self.error());
        }
        Ok(std::mem::take(&mut self.held))
    }

    fn error(&self) -> ImportError {
        let what = match (self.guess, self.held.first()) {
            (Some(guess), _) => guess.what.to_owned(),
            (None, Some(first)) => {
                let (lines, line, reason) = (self.held.len(), first.line, &first.reason);
                format!("none of its first {lines} lines is a JSON object; line {line}: {reason}")
            }
            (None, None) => "it is empty".to_owned(),
        };
        ImportError::Format(what)
    }
}

/// Guesses the format from a first line that is not a JSON object.
fn guess(line: &[u8]) -> Option<Guess> {
    let certain = |what| Some(Guess { what, certain: true });
    let maybe = |what| Some(Guess { what, certain: false });
    let line = line.trim_ascii();
    match line {
        [b'P', b'K', 3, 4, ..] => certain(
            "it is a ZIP archive, as Excel workbooks are; write one JSON object per line, as plain or gzip text",
        ),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if line.contains(&0) => certain("it is UTF-16; save it as UTF-8"),
        [b'[', ..] => certain(
            "it is one JSON array; write each product on a line of its own, without brackets around them and commas \
             between them, as `jq -c '.[]' FILE` does",
        ),
        [b'<', ..] => certain("it is XML or HTML; write one JSON object per line"),
        _ if line.contains(&b'\r') => {
            certain("its lines end in a carriage return (CR) alone; end each line in LF, or in CR and LF")
        }
        [b'{'] => maybe("its objects span several lines; write each on one line, as `jq -c . FILE` does"),
        [b'{', ..] => None,
        _ if line.iter().any(|byte| b",;\t".contains(byte)) => {
            maybe("it looks like CSV; write one JSON object per line, with the names of the columns as its fields")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use crate::import::{ImportOptions, intake::Intake};

    const GOOD: &str = r#"{"id":"mug","name":"Mug","price":"8.99","currency":"USD"}"#;

    /// The number of rejected lines, or the error of the format.
    fn read(file: &[u8]) -> Result<usize, String> {
        let options = ImportOptions::new("ann", Timestamp::UNIX_EPOCH);
        let (mut intake, mut rejects) = (Intake::new(file, &options), 0);
        loop {
            let batch = intake.batch(|_| {
                rejects += 1;
                Ok(())
            });
            if batch.map_err(|e| e.to_string())?.is_empty() {
                return Ok(rejects);
            }
        }
    }

    #[test]
    fn a_file_of_another_format_is_one_error_that_names_it() {
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(GOOD.bytes().flat_map(|b| [b, 0])).collect();
        let array = format!("[{GOOD},{GOOD}]");
        let long_array = format!("[{}]", vec![GOOD; 30_000].join(","));
        let array_by_line = format!("[\n{GOOD},\n{GOOD}\n]\n");
        let pretty = GOOD.replace('{', "{\n").replace(',', ",\n").replace('}', "\n}\n");
        let cr = format!("{GOOD}\r{GOOD}\r");
        for (file, named) in [
            (&b"id,name,price,currency\nmug,Mug,8.99,USD\n"[..], "CSV"),
            (b"id;name;price;currency\r\nmug;Mug;8.99;USD\r\n", "CSV"),
            (b"id,name\n", "CSV"),
            (array.as_bytes(), "one JSON array"),
            (long_array.as_bytes(), "one JSON array"),
            (array_by_line.as_bytes(), "one JSON array"),
            (pretty.as_bytes(), "several lines"),
            (cr.as_bytes(), "carriage return"),
            (b"id,name\rmug,Mug\r", "carriage return"),
            (b"<?xml version=\"1.0\"?>\n<products>\n", "XML"),
            (b"PK\x03\x04\x14\x00", "ZIP"),
            (&utf16, "UTF-16"),
            (b"mug\ncup\n", "none of its first 2 lines"),
            (&b"mug\n".repeat(50), "none of its first 10 lines"),
        ] {
            let read = read(file);

            let error = read.expect_err(&String::from_utf8_lossy(&file[..file.len().min(40)]));
            assert!(error.starts_with("the file is not JSON Lines: ") && error.contains(named), "{error}");
        }
    }

    #[test]
    fn bad_lines_at_the_start_of_json_lines_are_rejected_one_by_one() {
        for (file, rejected) in [
            (format!("{GOOD}\r\n"), 0),
            (format!("id, name\n{GOOD}\nid, name\n"), 2),
            (format!("\n{}{GOOD}\n", "mug\n".repeat(9)), 9),
            ("mug\n".to_owned(), 1),
            ("{\"id\":\"mug\"}\nmug,cup\n[]\n".to_owned(), 3),
            (String::new(), 0),
        ] {
            assert_eq!(read(file.as_bytes()), Ok(rejected), "{file}");
        }
    }
}
