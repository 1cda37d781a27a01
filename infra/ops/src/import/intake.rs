use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    io::BufRead,
};

use domain::{CategoryPath, Invalid, ProductId};

use super::{
    ImportError, ImportOptions, Reject,
    format::{self, FileFormat},
    lines::{Lines, MAX_LINE_BYTES},
    record::{self, Parsed},
};

/// Records in one call of the table: 100 keys to read, one BatchGetItem.
const BATCH: usize = 50;
/// Maximum reported characters of a rejected line, and of the reason.
const TEXT_CHARS: usize = 500;

/// Turns lines into records to import, and remembers ids and categories of the whole file.
pub(super) struct Intake<'a, R> {
    lines: Lines<R>,
    options: &'a ImportOptions,
    format: FileFormat,
    /// The line each product was on.
    seen: HashMap<ProductId, usize>,
    pub(super) categories: BTreeSet<CategoryPath>,
}

#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) place: Place,
    pub(super) parsed: Parsed,
}

/// The line of a record, for rejecting it later.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) text: String,
}

impl Place {
    /// The reason is cut like the text, because some quote the refused value, which may be long.
    pub(super) fn rejected(self, reason: &str) -> Reject {
        Reject { line: self.line, reason: beginning(reason.as_bytes()), text: self.text }
    }
}

impl<'a, R: BufRead> Intake<'a, R> {
    pub(super) fn new(input: R, options: &'a ImportOptions) -> Self {
        let (lines, format) = (Lines::new(input), FileFormat::default());
        Self { lines, options, format, seen: HashMap::new(), categories: BTreeSet::new() }
    }

    /// The next records to import, 50 except for the last ones; none at the end. Invalid lines are passed to `reject`.
    ///
    /// # Errors
    /// The file cannot be read, or its first lines show that it is of another format.
    pub(super) fn batch(
        &mut self,
        mut reject: impl FnMut(Reject) -> Result<(), ImportError>,
    ) -> Result<Vec<Accepted>, ImportError> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            let Some(line) = self.lines.read()? else {
                self.format.ends()?.into_iter().try_for_each(&mut reject)?;
                break;
            };
            let place = Place { line: line.number, text: beginning(line.bytes) };
            let parsed = if line.too_long {
                Err(Invalid::new("line", format::TOO_LONG, format!("is longer than {MAX_LINE_BYTES} bytes")))
            } else {
                record::parse(line.bytes, self.options).and_then(|parsed| once(&mut self.seen, parsed, &place))
            };
            match parsed {
                Ok(parsed) => {
                    self.format.is_json_lines().into_iter().try_for_each(&mut reject)?;
                    self.categories.insert(parsed.product.details.category.clone());
                    batch.push(Accepted { place, parsed });
                }
                Err(invalid) => {
                    let rejected = place.rejected(&invalid.to_string());
                    self.format.rejects(line.bytes, invalid.code, rejected)?.into_iter().try_for_each(&mut reject)?;
                }
            }
        }
        Ok(batch)
    }
}

/// Of two lines with one id the first is imported: only the file's author knows which of them is right.
fn once(seen: &mut HashMap<ProductId, usize>, parsed: Parsed, place: &Place) -> Result<Parsed, Invalid> {
    match seen.entry(parsed.product.id.clone()) {
        Entry::Vacant(new) => {
            new.insert(place.line);
            Ok(parsed)
        }
        Entry::Occupied(first) => {
            Err(Invalid::new("id", "id_repeated", format!("was on line {} already", first.get())))
        }
    }
}

fn beginning(bytes: &[u8]) -> String {
    // A character has at most 4 bytes, so this many bytes contain enough characters.
    let bytes = &bytes[..bytes.len().min(TEXT_CHARS * 4)];
    String::from_utf8_lossy(bytes).chars().take(TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    fn line(id: &str, category: &str) -> String {
        format!(r#"{{"id":"{id}","name":"Mug","price":"8.99","currency":"USD","category":["{category}"]}}"#)
    }

    /// Ids by batch, and rejects.
    fn take_in(input: &[u8]) -> (Vec<Vec<String>>, Vec<Reject>) {
        let options = ImportOptions::new("ann", Timestamp::UNIX_EPOCH);
        let mut intake = Intake::new(input, &options);
        let (mut batches, mut rejects) = (Vec::new(), Vec::new());
        loop {
            let batch = intake.batch(|r| {
                rejects.push(r);
                Ok(())
            });
            let ids: Vec<_> = batch.unwrap().iter().map(|a| a.parsed.product.id.to_string()).collect();
            if ids.is_empty() {
                return (batches, rejects);
            }
            batches.push(ids);
        }
    }

    #[test]
    fn records_come_in_batches_of_fifty() {
        let file: Vec<_> = (0..120).map(|i| line(&format!("p{i}"), "Mugs")).collect();

        let (batches, rejects) = take_in(file.join("\n").as_bytes());

        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
        assert!(rejects.is_empty());
    }

    #[test]
    fn the_second_line_of_an_id_is_rejected_and_the_first_is_imported() {
        let file = [line("mug", "Mugs"), line("cup", "Cups"), line("mug", "Cups")].join("\n");

        let (batches, rejects) = take_in(file.as_bytes());

        assert_eq!(batches, [["mug", "cup"]]);
        let reason = "id: was on line 1 already".to_owned();
        assert_eq!(rejects, [Reject { line: 3, reason, text: line("mug", "Cups") }]);
    }

    #[test]
    fn an_id_whose_first_line_was_bad_can_be_used_again() {
        let file = [line("mug", ""), line("mug", "Mugs")].join("\n");

        let (batches, rejects) = take_in(file.as_bytes());

        assert_eq!(batches, [["mug"]]);
        assert_eq!((rejects.len(), rejects[0].line), (1, 1));
    }

    #[test]
    fn bad_lines_do_not_stop_the_good_ones() {
        let endless = "x".repeat(MAX_LINE_BYTES + 1);
        let file = [&b"\xff\xfe"[..], endless.as_bytes(), b"", line("mug", "Mugs").as_bytes(), b"{"].join(&b'\n');

        let (batches, rejects) = take_in(&file);

        assert_eq!(batches, [["mug"]]);
        let reasons: Vec<_> = rejects.iter().map(|r| (r.line, r.reason.as_str())).collect();
        assert_eq!(
            reasons,
            [
                (1, "line: is not UTF-8 at byte 1"),
                (2, "line: is longer than 1048576 bytes"),
                (5, "line: is not a JSON object: it ends too early, at byte 1"),
            ]
        );
        assert_eq!(rejects[0].text, "\u{fffd}\u{fffd}");
        assert_eq!(rejects[1].text.len(), TEXT_CHARS);
    }

    #[test]
    fn categories_are_those_of_the_imported_records() {
        let options = ImportOptions::new("ann", Timestamp::UNIX_EPOCH);
        let file = [line("mug", "Mugs"), line("mug", "Cups"), line("jug", "Mugs")].join("\n");
        let mut intake = Intake::new(file.as_bytes(), &options);

        intake.batch(|_| Ok(())).unwrap();

        assert_eq!(intake.categories, BTreeSet::from([CategoryPath::new(["Mugs"]).unwrap()]));
    }
}
