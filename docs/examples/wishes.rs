//! The first example of `docs/adding-an-access-pattern.md`: a customer's wish list. Compiled with the tests of
//! `shared/table`, so that the guide stays true; no part of the product.

mod keys {
    use domain::{ProductId, UserId};

    pub use crate::keys::*;

    pub const WISH_PREFIX: &str = "WISH#";

    pub fn wish(customer: &UserId, product: &ProductId) -> Key {
        Key { pk: user_pk(customer), sk: format!("{WISH_PREFIX}{product}") }
    }

    #[test]
    fn keys_of_wishes_have_exactly_this_form() {
        let (mug, ann): (ProductId, UserId) = ("mug-1".parse().unwrap(), "ann".parse().unwrap());
        let show = |key: Key| format!("{} / {}", key.pk, key.sk);

        assert_eq!(show(wish(&ann, &mug)), "USER#ann / WISH#mug-1");
    }
}

use domain::{Invalid, ProductId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    Page, StoreError, Table,
    meter::metered,
    page::one_more_than,
    rows,
    rows::{Item, from_item, millis, s},
};
use keys::Key;

/// A product that a customer wants to remember.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    pub product: ProductId,
    pub added_at: Timestamp,
}

/// The position of a wish in a customer's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WishPosition(String);

#[derive(Serialize, Deserialize)]
struct WishRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    /// In milliseconds since the epoch.
    at: i64,
}

fn wish(item: Item) -> Result<Wish, StoreError> {
    let row: WishRow = from_item(item)?;
    let read = || -> Result<Wish, Invalid> {
        let product = row.sk.strip_prefix(keys::WISH_PREFIX).unwrap_or_default().parse()?;
        Ok(Wish { product, added_at: rows::from_millis(row.at)? })
    };
    read().map_err(|e| StoreError::corrupt(format!("{} / {}", row.pk, row.sk), e))
}

impl Table {
    /// AP-90: puts a product on a customer's wish list, or moves its date. PutItem.
    pub async fn wish_put(&self, customer: &UserId, wish: &Wish) -> Result<(), StoreError> {
        let Key { pk, sk } = keys::wish(customer, &wish.product);
        let item = rows::to_item(WishRow { pk, sk, at: millis(wish.added_at) });
        metered("AP-90", self.put(item).send()).await?;
        Ok(())
    }

    /// AP-91: a customer's wish list, by product. Query `USER#uid`, begins_with `WISH#`, eventually consistent.
    pub async fn wish_list(
        &self,
        customer: &UserId,
        limit: i32,
        after: Option<&WishPosition>,
    ) -> Result<Page<Wish, WishPosition>, StoreError> {
        let start = after.and_then(|WishPosition(id)| Some(keys::wish(customer, &id.parse().ok()?).into_item()));
        let call = self
            .query(keys::user_pk(customer))
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::WISH_PREFIX))
            .limit(one_more_than(limit))
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-91", call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(wish).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, more, |wish| WishPosition(wish.product.to_string())))
    }

    /// AP-92: takes a product off a customer's wish list; one that is not on it is no error. DeleteItem.
    pub async fn wish_delete(&self, customer: &UserId, product: &ProductId) -> Result<(), StoreError> {
        metered("AP-92", self.delete(keys::wish(customer, product)).send()).await?;
        Ok(())
    }
}
