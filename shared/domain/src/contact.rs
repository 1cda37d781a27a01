use std::fmt;

use crate::{CustomerName, Email, Phone};

/// Whom the shop writes to about one order, registered or not. `Debug` hides it, so that no log shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Contact {
    pub email: Email,
    pub name: Option<CustomerName>,
    pub phone: Option<Phone>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_does_not_print() {
        let contact = Contact {
            email: Email::parse("ann@example.com").unwrap(),
            name: Some(CustomerName::parse("Ann").unwrap()),
            phone: Some(Phone::parse("+44 117 496 0123").unwrap()),
        };

        assert_eq!(format!("{contact:?}"), "Contact(redacted)");
    }
}
