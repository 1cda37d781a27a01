use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::{Invalid, text};

/// An e-mail address in lower case and in ASCII: it identifies a customer. `Debug` hides it, so that no log shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The longest address and the longest part before the `@` that mail is delivered to (RFC 5321, section 4.5.3.1).
const MAX_CHARS: usize = 254;
const MAX_LOCAL_CHARS: usize = 64;

impl Email {
    /// The one parser of e-mail addresses: registration, login and the mailer use it.
    ///
    /// The part before the `@` is a dot-atom of ASCII (RFC 5322, section 3.4.1): SES sends to nothing else. The part
    /// after it is a host name with a dot. An internationalised one is converted to ASCII as browsers do (UTS 46), so
    /// that `ann@müller.example` and `ann@xn--mller-kva.example` are one customer. Whether the mailbox exists shows
    /// only when mail is sent.
    ///
    /// # Errors
    /// 422 `email_invalid`, with the rule that is violated.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let invalid = |reason: &str| Invalid::new("email", "email_invalid", reason);
        let email = raw.trim();
        // Checked before the conversion, which silently drops some of them. The conversion checks joiners in a host
        // name.
        let hidden = email.chars().any(|c| c.is_control() || c.is_whitespace())
            || text::invisible(&email.replace(['\u{200c}', '\u{200d}'], "")).is_some();
        if hidden {
            return Err(invalid("must not contain spaces, control characters or invisible characters"));
        }
        let (local, domain) = email.rsplit_once('@').ok_or_else(|| invalid("must be an e-mail address"))?;
        if !is_dot_atom(local) || local.len() > MAX_LOCAL_CHARS {
            let reason = "must have 1 to 64 characters before the @: letters without accents, digits, single dots and any \
                          of !#$%&'*+-/=?^_`{|}~";
            return Err(invalid(reason));
        }
        let domain =
            host_name(domain).ok_or_else(|| invalid("must end in the name of a mail domain, such as example.com"))?;
        let email = format!("{}@{domain}", local.to_ascii_lowercase());
        if email.len() > MAX_CHARS {
            return Err(invalid("must be at most 254 characters, the domain in ASCII"));
        }
        Ok(Self(email))
    }

    /// Reads a stored one, which may follow older rules, so that every existing account can be read.
    pub fn stored(email: String) -> Self {
        Self(email)
    }

    /// All forms under which the account of a typed address may be stored: first the current one, if the address is
    /// valid, then the older ones, which kept the domain as typed and accepted almost anything with an `@`. Empty if no
    /// account can exist.
    pub fn stored_forms(raw: &str) -> Vec<Self> {
        let today = Self::parse(raw).ok();
        let mut forms: Vec<Self> =
            [today.as_ref().and_then(Self::in_unicode), as_before(raw)].into_iter().flatten().collect();
        forms.dedup();
        forms.retain(|form| Some(form) != today.as_ref());
        forms.splice(0..0, today);
        forms
    }

    /// With its internationalised domain in Unicode, if that differs.
    pub fn in_unicode(&self) -> Option<Self> {
        let (local, domain) = self.0.rsplit_once('@')?;
        let (domain, readable) = idna::domain_to_unicode(domain);
        let email = Self(format!("{local}@{domain}"));
        (readable.is_ok() && email != *self).then_some(email)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(redacted)")
    }
}

fn is_dot_atom(local: &str) -> bool {
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(atext))
}

/// The host name in ASCII and lower case: at least two labels of 1 to 63 letters, digits and hyphens; the last one is
/// not a number, which would be an IP address.
pub(crate) fn host_name(domain: &str) -> Option<String> {
    let ascii =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    let ascii = ascii.ok()?.into_owned();
    let (_, last) = ascii.rsplit_once('.')?;
    (!last.bytes().all(|b| b.is_ascii_digit())).then_some(ascii)
}

/// The old, lax parser: any text of that shape, in lower case.
fn as_before(raw: &str) -> Option<Email> {
    let email = raw.trim().to_lowercase();
    let plausible = email.len() <= 254
        && email.chars().all(|c| !c.is_control() && !c.is_whitespace())
        && email.split_once('@').is_some_and(|(local, domain)| {
            let labels = domain.split('.').all(|l| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-'));
            !local.is_empty() && local.len() <= 64 && !domain.contains('@') && domain.contains('.') && labels
        });
    plausible.then_some(Email(email))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Option<String> {
        Email::parse(raw).ok().map(|email| email.as_str().to_owned())
    }

    #[test]
    fn an_email_is_unique_whatever_its_case() {
        assert_eq!(Email::parse(" Ann@Example.COM ").unwrap(), Email::parse("ann@example.com").unwrap());
        for good in ["o'hara+shop@mail.example.co.uk", "a_b-c.d@example.com", "1@2.example", "ann@r3---sn.example.com"]
        {
            assert_eq!(read(good).as_deref(), Some(good));
        }
    }

    #[test]
    fn an_address_that_cannot_be_delivered_to_is_refused() {
        for raw in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@example",
            "a b@example.com",
            "a@b@example.com",
            "a@.com",
            "ann@example.com,",
            "ann@example.com.",
            "ann@example.com;",
            "<ann@example.com>",
            "Ann <ann@example.com>",
            "mailto:ann@example.com",
            "\"ann\"@example.com",
            "a,b@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a.@example.com",
            "ann@exam_ple.com",
            "ann@-example.com",
            "ann@example-.com",
            "ann@127.0.0.1",
            "ann@[127.0.0.1]",
            "ann@example..com",
            "ann@example.com/",
            "ann@example.com:25",
            "änn@example.com",
            "ann@xn--a.example",
            "ann@example.com\u{200b}",
            "\u{feff}ann@example.com",
            "ann@exam\u{ad}ple.com",
            "ann\u{202e}@example.com",
            "ann@example\u{200d}.com",
            "a\u{200c}nn@example.com",
            "\u{212a}ate@example.com",
        ] {
            assert_eq!(read(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn an_internationalised_domain_is_the_same_account_either_way() {
        assert_eq!(read("ann@müller.example").as_deref(), Some("ann@xn--mller-kva.example"));
        for raw in
            ["ann@MÜLLER.example", "ann@mu\u{308}ller.example", "ann@xn--mller-kva.example", "ann@müller。example"]
        {
            assert_eq!(read(raw), read("ann@müller.example"), "{raw}");
        }
        // The sharp s is a separate character (IDNA 2008), and Persian needs the non-joiner.
        assert_eq!(read("ann@straße.example").as_deref(), Some("ann@xn--strae-oqa.example"));
        assert_eq!(read("ann@نامه\u{200c}ای.example").as_deref(), Some("ann@xn--mgba3gch31f060k.example"));
    }

    #[test]
    fn an_email_has_the_maximum_length_of_the_standard() {
        let host = format!("{0}.{0}.{0}", "x".repeat(61));

        assert!(read(&format!("{}@{host}", "a".repeat(64))).is_some());
        assert_eq!(read(&format!("{}@{host}", "a".repeat(65))), None);
        assert_eq!(read(&format!("{}@{host}.xxxxx", "a".repeat(64))), None);
        assert_eq!(read(&format!("ann@{}.example", "x".repeat(64))), None);
    }

    #[test]
    fn an_old_account_is_looked_up_under_its_old_form() {
        let forms = |raw: &str| -> Vec<String> {
            Email::stored_forms(raw).iter().map(|form| form.as_str().to_owned()).collect()
        };

        assert_eq!(forms("Ann@example.com"), ["ann@example.com"]);
        assert_eq!(forms("ann@example.com,"), ["ann@example.com,"]);
        assert_eq!(forms("Ann@Müller.example"), ["ann@xn--mller-kva.example", "ann@müller.example"]);
        assert_eq!(forms("ann@xn--mller-kva.example"), ["ann@xn--mller-kva.example", "ann@müller.example"]);
        assert!(forms("ann").is_empty());
    }

    #[test]
    fn an_address_does_not_print() {
        assert!(!format!("{:?}", Email::parse("a@b.co")).contains("a@b.co"));
    }
}
