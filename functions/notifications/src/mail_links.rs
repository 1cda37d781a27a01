//! The links in mails: to an order, and to what is done with an account. No token is stored: it is computed here, and again
//! where the link is used, with keys that only these functions have.

use domain::{AccountLink, Order, Timestamp};
use links::{Link, LinkKeys, LinkToken, Purpose};

use crate::{account_url::AccountUrl, order_url::OrderUrl};

/// What links are made of.
#[derive(Debug, Clone)]
pub struct MailLinks {
    pub order_keys: LinkKeys,
    /// The storefront's page of an order; without it, mails about orders have no link.
    pub order_page: Option<OrderUrl>,
    pub account_keys: LinkKeys,
    /// The storefront's page for what is done with an account; without it, a mail has the token itself.
    pub account_page: Option<AccountUrl>,
}

/// How a recipient uses a link. Not `Debug`, so that no log shows it.
pub enum WayIn {
    Page(String),
    /// To be entered in the storefront.
    Code(LinkToken),
}

/// The link in a mail about an order.
#[derive(Clone, PartialEq, Eq)]
pub struct OrderLink {
    pub url: String,
    /// Whether it opens the order without a login.
    pub opens_it: bool,
}

impl MailLinks {
    /// In a mail about an order. A guest can open it without a session; a customer logs in.
    pub(crate) fn in_mail_about(&self, order: &Order, mailed_at: Timestamp) -> Option<OrderLink> {
        let page = self.order_page.as_ref()?;
        let opens_it = order.guest && order.contact.is_some() && page.takes_token();
        let token = opens_it.then(|| self.order_keys.order_token(order.id, mailed_at));
        Some(OrderLink { url: page.link(order.id, token.as_ref()), opens_it })
    }

    /// To an order, for a guest who asked for it.
    pub(crate) fn to_order(&self, order: &Order, mailed_at: Timestamp) -> WayIn {
        let token = self.order_keys.order_token(order.id, mailed_at);
        match self.order_page.as_ref().filter(|page| page.takes_token()) {
            Some(page) => WayIn::Page(page.link(order.id, Some(&token))),
            None => WayIn::Code(token),
        }
    }

    /// To what is done with an account.
    pub(crate) fn to_account(&self, link: &AccountLink) -> WayIn {
        let token = self.account_keys.token(&Link {
            purpose: Purpose::Account(link.action),
            subject: link.customer.to_string(),
            request: link.id.as_uuid(),
            expires_at: link.expires_at,
        });
        match &self.account_page {
            Some(page) => WayIn::Page(page.link(link.action, &token)),
            None => WayIn::Code(token),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this environment has no keys for links in mails")]
pub struct NoKeys;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, contact, held, order_url};

    fn links(order_page: Option<OrderUrl>) -> MailLinks {
        MailLinks { order_page, ..crate::testing::links() }
    }

    #[test]
    fn only_a_guests_link_has_a_token() {
        let page = OrderUrl::parse("https://shop.example/orders/{orderId}#{token}").ok();
        let customers = Order { contact: Some(contact()), ..held() };
        let guests = Order { guest: true, ..customers.clone() };
        let without_contact = Order { contact: None, ..guests.clone() };
        let url = format!("https://shop.example/orders/{}", guests.id);

        let link = |page: &Option<OrderUrl>, order: &Order| {
            links(page.clone()).in_mail_about(order, NOW).map(|link| (link.url, link.opens_it))
        };
        let (opened, opens_it) = link(&page, &guests).unwrap();
        let token = opened.strip_prefix(&format!("{url}#")).unwrap();

        assert_eq!((LinkKeys::new(&[[7; 32]]).check_order(token, NOW), opens_it), (Some(guests.id), true));
        for closed in [link(&page, &customers), link(&page, &without_contact), link(&Some(order_url()), &guests)] {
            assert_eq!(closed, Some((url.clone(), false)));
        }
        assert_eq!(link(&None, &guests), None);
    }

    #[test]
    fn a_link_that_was_asked_for_is_a_page_that_takes_its_token_or_the_token_itself() {
        let page = OrderUrl::parse("http://127.0.0.1:9000/#/orders/{orderId}/{token}").ok();
        let of = |page| links(page).to_order(&held(), NOW);

        assert!(
            matches!(of(page), WayIn::Page(url) if url.contains("/#/orders/018cc251-f400-7000-8000-000000000000/018c"))
        );
        assert!(matches!(of(Some(order_url())), WayIn::Code(_)) && matches!(of(None), WayIn::Code(_)));
    }
}
