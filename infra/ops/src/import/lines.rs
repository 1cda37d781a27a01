use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::ImportError;

/// The longest accepted line, in bytes without its newline.
pub(super) const MAX_LINE_BYTES: usize = 1 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The byte order mark that some spreadsheets write first. It is not part of the JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of a file that is plain or gzip, recognised by its first two bytes and not by its name.
pub fn open(mut file: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut magic = Vec::with_capacity(GZIP_MAGIC.len());
    file.by_ref().take(2).read_to_end(&mut magic)?;
    let compressed = magic == GZIP_MAGIC;
    let whole = BufReader::new(Cursor::new(magic).chain(file));
    if compressed {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(whole))));
    }
    Ok(Box::new(whole))
}

/// Reads lines of untrusted input: blank, endless, not text.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    number: usize,
}

pub(super) struct Line<'a> {
    /// From 1, blank lines included.
    pub(super) number: usize,
    /// Without the newline; only the beginning if the line is too long.
    pub(super) bytes: &'a [u8],
    pub(super) too_long: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), number: 0 }
    }

    /// The next line that is not blank, `None` at the end. Buffers at most [`MAX_LINE_BYTES`] and one more byte.
    pub(super) fn read(&mut self) -> Result<Option<Line<'_>>, ImportError> {
        let too_long = loop {
            let line = self.number + 1;
            let unreadable = move |source| ImportError::Read { line, source };
            self.buffer.clear();
            let mut limited = self.input.by_ref().take(MAX_LINE_BYTES as u64 + 1);
            if limited.read_until(b'\n', &mut self.buffer).map_err(unreadable)? == 0 {
                return Ok(None);
            }
            self.number = line;
            if self.buffer.last() == Some(&b'\n') {
                self.buffer.pop();
            }
            let too_long = self.buffer.len() > MAX_LINE_BYTES;
            if too_long {
                self.input.skip_until(b'\n').map_err(unreadable)?;
            }
            if line == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.buffer.drain(..BYTE_ORDER_MARK.len());
            }
            if too_long || !self.buffer.trim_ascii().is_empty() {
                break too_long;
            }
        };
        Ok(Some(Line { number: self.number, bytes: &self.buffer, too_long }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// Number, content, whether it is too long.
    fn lines(input: impl BufRead) -> Vec<(usize, String, bool)> {
        let mut lines = Lines::new(input);
        let mut read = Vec::new();
        while let Some(line) = lines.read().unwrap() {
            read.push((line.number, String::from_utf8_lossy(line.bytes).into_owned(), line.too_long));
        }
        read
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_file_reads_the_same_plain_and_compressed_in_one_part_or_more() {
        let expected = [(1, "one".to_owned(), false), (2, "two".to_owned(), false)];
        let parts = [gzip("one\n"), gzip("two\n")].concat();

        assert_eq!(lines(open(Cursor::new(b"one\ntwo\n")).unwrap()), expected);
        assert_eq!(lines(open(Cursor::new(gzip("one\ntwo"))).unwrap()), expected);
        assert_eq!(lines(open(Cursor::new(parts)).unwrap()), expected);
        assert!(lines(open(io::empty()).unwrap()).is_empty());
        assert_eq!(lines(open(Cursor::new(b"1")).unwrap()), [(1, "1".to_owned(), false)]);
    }

    #[test]
    fn blank_lines_are_skipped_but_counted() {
        assert_eq!(lines(&b"\n \t\r\n{}\n\n"[..]), [(3, "{}".to_owned(), false)]);
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_first_line() {
        assert_eq!(lines(&b"\xef\xbb\xbf{}\n"[..]), [(1, "{}".to_owned(), false)]);
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_whole() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        let text = format!("{longest}\n{longest}yyy\nnext\n{longest}y");

        let read = lines(text.as_bytes());

        let summary: Vec<_> = read.iter().map(|(number, text, too_long)| (*number, text.len(), *too_long)).collect();
        let cut = MAX_LINE_BYTES + 1;
        assert_eq!(summary, [(1, MAX_LINE_BYTES, false), (2, cut, true), (3, 4, false), (4, cut, true)]);
    }

    #[test]
    fn a_cut_off_file_is_an_error_that_names_the_line() {
        let mut cut = gzip("one\ntwo\n");
        cut.truncate(cut.len() - 8);
        let mut lines = Lines::new(open(Cursor::new(cut)).unwrap());

        let error = loop {
            match lines.read() {
                Ok(line) => assert!(line.is_some(), "the end of a damaged file must not look like its end"),
                Err(error) => break error,
            }
        };

        assert!(matches!(error, ImportError::Read { .. }));
    }
}
