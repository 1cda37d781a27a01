use domain::{Language, OrderNumber};

use super::{Page, linked};
use crate::{mail_links::WayIn, texts::Texts};

/// The content of a mail that is the link to an order.
pub fn page<'a>(number: OrderNumber, way_in: &WayIn, shop: &'a str, language: Language) -> Page<'a> {
    let texts = Texts::of(language);
    let values = [("shop", shop), ("number", &number.to_string())];
    linked(texts.order_link.said(), Some(way_in), &texts.order.why, &values, shop, language)
}
