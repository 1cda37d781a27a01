//! Reviews, and their sum.
//!
//! A review is the customer's own item, written without changing the product. The stream's consumer adds it up: beside
//! each review there is an item with the stars that were counted, which changes in one transaction with the sum, so
//! that no delivery, late, repeated or out of order, counts a star twice.

use std::collections::HashMap;

use domain::{Invalid, ProductId, Rating, Review, ReviewText, Stars, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    Page, StoreError, Table,
    conditions::{Condition, NEW, values},
    keys::{self, Key},
    meter::metered,
    page::one_more_than,
    rows,
    rows::{Item, from_item, millis, n, s},
    transact::{AnyCondition, Transaction},
};

#[derive(Serialize, Deserialize)]
struct ReviewRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    stars: u8,
    text: String,
    /// When it was written, in milliseconds since the epoch.
    at: i64,
}

/// The position of a review in a product's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewPosition(String);

fn review_item(review: &Review) -> Item {
    let Key { pk, sk } = keys::review(&review.product, &review.customer);
    let (stars, text) = (review.stars.count(), review.text.as_str().to_owned());
    rows::to_item(ReviewRow { pk, sk, stars, text, at: millis(review.at) })
}

fn review(item: Item) -> Result<Review, StoreError> {
    let row: ReviewRow = from_item(item)?;
    let read = || -> Result<Review, Invalid> {
        Ok(Review {
            product: keys::product_id(&row.pk)?,
            customer: keys::reviewer_id(&row.sk)?,
            stars: Stars::new(row.stars)?,
            text: ReviewText::stored(row.text),
            at: rows::from_millis(row.at)?,
        })
    };
    read().map_err(|e| StoreError::corrupt(format!("{} / {}", row.pk, row.sk), e))
}

/// The sum of a product's reviews, from its item.
pub(crate) fn rating(item: Item) -> Result<Rating, StoreError> {
    #[derive(Deserialize)]
    struct RatingRow {
        reviews: u64,
        stars: u64,
    }
    let RatingRow { reviews, stars } = from_item(item)?;
    Ok(Rating { reviews, stars })
}

impl Table {
    /// AP-54: writes a customer's review of a product, replacing an earlier one. PutItem.
    pub async fn review_put(&self, review: &Review) -> Result<(), StoreError> {
        metered("AP-54", self.put(review_item(review)).send()).await?;
        Ok(())
    }

    /// AP-55: removes a customer's review. DeleteItem.
    pub async fn review_delete(&self, product: &ProductId, customer: &UserId) -> Result<(), StoreError> {
        metered("AP-55", self.delete(keys::review(product, customer)).send()).await?;
        Ok(())
    }

    /// AP-56: a product's reviews, by customer. Query `PROD#id`, begins_with `REVIEW#`, eventually consistent.
    pub async fn review_list(
        &self,
        product: &ProductId,
        limit: i32,
        after: Option<&ReviewPosition>,
    ) -> Result<Page<Review, ReviewPosition>, StoreError> {
        let start = after.and_then(|ReviewPosition(id)| Some(keys::review(product, &id.parse().ok()?).into_item()));
        let call = self
            .query(keys::product_pk(product))
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::REVIEW_PREFIX))
            .limit(one_more_than(limit))
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-56", call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(review).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, more, |r| ReviewPosition(r.customer.to_string())))
    }

    /// AP-57: counts a customer's current review, or its removal. BatchGetItem of the review and its counted stars,
    /// consistent; if they differ, a transaction of three: the review is unchanged, the counted stars, the sum. Returns
    /// whether there was a difference.
    pub async fn review_count(&self, product: &ProductId, customer: &UserId) -> Result<bool, StoreError> {
        let (review_key, counted_key) = (keys::review(product, customer), keys::review_counted(product, customer));
        let found = self.items_get("AP-57", vec![review_key.clone(), counted_key.clone()], true).await?;
        let mut stars: HashMap<Key, i64> = HashMap::new();
        for item in found {
            let count = item.get("stars").and_then(|v| v.as_n().ok()).and_then(|raw| raw.parse().ok());
            let (key, count) = keys::key_of_item(&item)
                .zip(count)
                .ok_or_else(|| StoreError::corrupt(rows::key_of(&item), "a review without stars"))?;
            stars.insert(key, count);
        }
        let (given, counted) = (stars.get(&review_key).copied(), stars.get(&counted_key).copied());
        if given == counted {
            return Ok(false);
        }

        let still_given = match given {
            Some(stars) => Condition::new("stars = :stars", values([(":stars", n(stars))])),
            None => Condition::from(NEW),
        };
        let reviews = i64::from(given.is_some()) - i64::from(counted.is_some());
        let more_stars = given.unwrap_or_default() - counted.unwrap_or_default();
        let mut transaction = self.transaction();
        transaction.check(AnyCondition, still_given, review_key);
        counted_as(&mut transaction, counted_key, given, counted);
        transaction.update_if(
            AnyCondition,
            // A missing sum starts at zero; a subtraction needs a review that was counted before.
            Condition::new("attribute_not_exists(PK) OR reviews >= :none", values([(":none", n(0))])),
            keys::rating(product),
            "ADD reviews :reviews, stars :stars",
            values([(":reviews", n(reviews)), (":stars", n(more_stars))]),
        );
        match transaction.write("AP-57").await? {
            Ok(()) => Ok(true),
            Err(_failed) => Err(StoreError::Busy("the review is being changed".into())),
        }
    }
}

/// Writes the stars that are counted of a review, if they are still the ones that were read.
fn counted_as(transaction: &mut Transaction<'_, AnyCondition>, key: Key, given: Option<i64>, counted: Option<i64>) {
    let was = |stars| Condition::new("stars = :was", values([(":was", n(stars))]));
    match (given, counted) {
        (None, counted) => transaction.delete_if(AnyCondition, was(counted.unwrap_or_default()), key),
        (Some(given), None) => transaction.put_if(AnyCondition, NEW, with_stars(key, given)),
        (Some(given), Some(counted)) => {
            let now = values([(":now", n(given))]);
            transaction.update_if(AnyCondition, was(counted), key, "SET stars = :now", now);
        }
    }
}

fn with_stars(key: Key, stars: i64) -> Item {
    let mut item = key.into_item();
    item.insert("stars".to_owned(), n(stars));
    item
}
