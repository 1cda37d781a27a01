use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

/// A rejected line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// From 1.
    pub line: usize,
    pub reason: String,
    /// The line's first 500 characters.
    pub text: String,
}

/// Rejects as JSON Lines, in a file that is created with the first one.
#[derive(Debug)]
pub struct RejectsFile {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

/// Next to the input: the rejects of `catalogue.jsonl.gz` are in `catalogue.jsonl.rejects.jsonl`.
pub fn default_rejects_path(input: &Path) -> PathBuf {
    let compressed = input.extension().is_some_and(|extension| extension == "gz");
    let plain = if compressed { input.with_extension("") } else { input.to_owned() };
    let mut path = plain.into_os_string();
    path.push(".rejects.jsonl");
    path.into()
}

impl RejectsFile {
    /// Removes the file of an earlier import at `path`, so that its content is always that of this one.
    pub fn new(path: PathBuf) -> io::Result<Self> {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(Self { path, file: None }),
        }
    }

    pub fn add(&mut self, reject: &Reject) -> io::Result<()> {
        let open = match self.file.take() {
            Some(file) => file,
            None => BufWriter::new(File::create(&self.path)?),
        };
        let file = self.file.insert(open);
        serde_json::to_writer(&mut *file, reject)?;
        file.write_all(b"\n")
    }

    /// The path of the rejects, if there were any.
    pub fn finish(self) -> io::Result<Option<PathBuf>> {
        let Some(mut file) = self.file else { return Ok(None) };
        file.flush()?;
        Ok(Some(self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_are_next_to_the_input() {
        let default = |input: &str| default_rejects_path(Path::new(input)).to_string_lossy().into_owned();

        assert_eq!(default("a/catalogue.jsonl.gz"), "a/catalogue.jsonl.rejects.jsonl");
        assert_eq!(default("catalogue.jsonl"), "catalogue.jsonl.rejects.jsonl");
        assert_eq!(default("catalogue"), "catalogue.rejects.jsonl");
    }

    #[test]
    fn each_reject_is_one_line_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let mut rejects = RejectsFile::new(folder.path().join("rejects.jsonl")).unwrap();

        for line in [7, 9] {
            rejects.add(&Reject { line, reason: "bad".to_owned(), text: "\"\n".to_owned() }).unwrap();
        }
        let path = rejects.finish().unwrap().unwrap();

        let expected = r#"{"line":7,"reason":"bad","text":"\"\n"}
{"line":9,"reason":"bad","text":"\"\n"}
"#;
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn an_import_without_rejects_removes_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.jsonl");
        fs::write(&path, "old").unwrap();

        let rejects = RejectsFile::new(path.clone()).unwrap();

        assert_eq!(rejects.finish().unwrap(), None);
        assert!(!path.exists());
    }
}
