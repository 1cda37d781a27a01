use std::fmt;

use domain::AccountAction;
use links::LinkToken;

/// The storefront's page that a link in a mail about an account leads to: a URL with `{action}` and `{token}` in it, such
/// as `https://shop.example/account/{action}#{token}`.
///
/// The token stands in the fragment, behind a `#`: browsers send that to no server, and name it to no other page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountUrl(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a URL such as https://shop.example/account/{{action}}#{{token}}: https, or http on this machine; with {{action}}; and \
     with {{token}} behind a #"
)]
pub struct InvalidAccountUrl;

impl AccountUrl {
    /// # Errors
    /// It is not such a URL.
    pub fn parse(pattern: &str) -> Result<Self, InvalidAccountUrl> {
        let local = ["http://127.0.0.1", "http://localhost"];
        let is_local = |prefix: &str| pattern.strip_prefix(prefix).is_some_and(|rest| rest.starts_with([':', '/']));
        let is_served = pattern.starts_with("https://") || local.into_iter().any(is_local);
        let plain = |b: u8| b.is_ascii_graphic() && !b"\"'<>\\^`|".contains(&b);
        let (before, fragment) = pattern.split_once('#').ok_or(InvalidAccountUrl)?;
        let has_both = pattern.matches("{action}").count() == 1 && fragment.matches("{token}").count() == 1;
        let rest = pattern.replacen("{action}", "", 1).replacen("{token}", "", 1);
        let is_plain = pattern.bytes().all(plain) && !rest.contains(['{', '}']);
        let host = before.split("://").nth(1).unwrap_or_default();
        let has_host = host.starts_with(|c: char| c.is_ascii_alphanumeric()) && !host.contains('@');
        match is_served && has_both && is_plain && has_host {
            true => Ok(Self(pattern.to_owned())),
            false => Err(InvalidAccountUrl),
        }
    }

    /// The link itself. Names of actions and tokens need no escaping in a URL.
    pub(crate) fn link(&self, action: AccountAction, token: &LinkToken) -> String {
        self.0.replacen("{action}", action.as_str(), 1).replacen("{token}", token.reveal(), 1)
    }
}

impl fmt::Display for AccountUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_the_hash_and_nowhere_else() {
        for right in [
            "https://shop.example/account/{action}#{token}",
            "https://shop.example/#/{action}/{token}",
            "http://127.0.0.1:9000/#/{action}/{token}",
            "http://localhost:5173/{action}#t={token}",
        ] {
            assert_eq!(AccountUrl::parse(right).unwrap().to_string(), right);
        }
        for wrong in [
            "",
            "https://shop.example/{action}",
            "https://shop.example/{action}?token={token}",
            "https://shop.example/{token}#{action}",
            "https://shop.example/#{token}",
            "https://shop.example/{action}#{token}{token}",
            "https://shop.example/{action}#{token}{other}",
            "https://shop.example/{action}#{token}\" onclick=\"",
            "https://eve@shop.example/{action}#{token}",
            "https:///{action}#{token}",
            "http://shop.example/{action}#{token}",
            "http://localhost.evil.example/{action}#{token}",
            "javascript:alert(1)#{action}{token}",
        ] {
            assert_eq!(AccountUrl::parse(wrong), Err(InvalidAccountUrl), "{wrong}");
        }
    }
}
