use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::mailer::{Mail, MailError, Mailer, Sending};

/// A mail folder on this machine: one file `<id>.eml` for each mail, which any mail program opens. The same mail, sent
/// again, replaces its file.
#[derive(Debug, Clone)]
pub struct MailFolder {
    folder: PathBuf,
}

impl MailFolder {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

impl Mailer for MailFolder {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        let (folder, name, raw) = (self.folder.clone(), format!("{}.eml", mail.id), mail.raw.clone());
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&folder, &name, &raw)).await;
            let written = written.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
            let what = || "the mail folder cannot be written".to_owned();
            written.map_err(|e| MailError::Unavailable { what: what(), source: Some(e.into()) })
        })
    }
}

/// Renamed to its final name once it is complete, so that no reader sees half a mail.
fn write(folder: &Path, name: &str, raw: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(raw)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::Email;

    use super::*;

    fn mail(text: &str) -> Mail {
        Mail {
            id: "order-2".to_owned(),
            from: Email::parse("orders@shop.example").unwrap(),
            to: Email::parse("ann@example.com").unwrap(),
            subject: "Subject".to_owned(),
            raw: text.as_bytes().to_vec(),
        }
    }

    #[tokio::test]
    async fn a_mail_sent_twice_is_one_file() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("mail/out");
        let mailer = MailFolder::new(&folder);

        mailer.send(&mail("once")).await.unwrap();
        mailer.send(&mail("again")).await.unwrap();

        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(files, ["order-2.eml"]);
        assert_eq!(std::fs::read_to_string(folder.join("order-2.eml")).unwrap(), "again");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_tried_again() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("file");
        std::fs::write(&file, "").unwrap();

        let sent = MailFolder::new(file.join("folder")).send(&mail("text")).await;

        assert!(matches!(sent, Err(MailError::Unavailable { .. })), "{sent:?}");
    }
}
