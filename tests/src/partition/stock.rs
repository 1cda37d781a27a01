//! Designs that the product does not have, for comparison: counters that share the units of a product.
//!
//! The checkout is the product's own. What a design changes is the key of its stock action, and that is changed below
//! the SDK, as the fault harness plants its bugs: so all designs have the same transaction otherwise, and the product has
//! no switch for them.

use std::collections::HashMap;

use dynoxide::{
    actions::transact_write_items::{TransactWriteItem, TransactWriteItemsRequest},
    errors::CancellationReason,
    types::{AttributeValue, Item},
};

use super::units::key_of;

/// The end of the sort key of a product's one stock item.
const ONE_ITEM: &str = "#STOCK#00";

/// Where the units of one checkout are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Taken {
    /// As the product has it: the one stock item, or lots of a sale.
    #[default]
    AsWritten,
    /// `META#<id>#STOCK#<nn>` under the product's partition key.
    SortKeyShard(u8),
    /// `PROD#<id>#<nn>` / `META#<id>#STOCK#00`.
    PartitionKeyCounter(u8),
}

pub fn sort_key_shard(sk: &str, shard: u8) -> String {
    let start = sk.strip_suffix(ONE_ITEM).unwrap_or(sk);
    format!("{start}#STOCK#{shard:02}")
}

pub fn partition_key_counter(pk: &str, counter: u8) -> String {
    format!("{pk}#{counter:02}")
}

impl Taken {
    /// Changes the key of the stock action. Returns which action that is; `None` if nothing is changed.
    pub fn rewrite(self, request: &mut TransactWriteItemsRequest) -> Option<usize> {
        let is_stock = |action: &TransactWriteItem| {
            action.update.as_ref().is_some_and(|update| key_of(&update.key).1.ends_with(ONE_ITEM))
        };
        let at = request.transact_items.iter().position(is_stock)?;
        let update = request.transact_items[at].update.as_mut()?;
        let (pk, sk) = key_of(&update.key);
        update.key = match self {
            Taken::AsWritten => return None,
            Taken::SortKeyShard(shard) => key(pk, sort_key_shard(&sk, shard)),
            Taken::PartitionKeyCounter(counter) => key(partition_key_counter(&pk, counter), sk),
        };
        Some(at)
    }
}

fn key(pk: String, sk: String) -> Item {
    HashMap::from([("PK".to_owned(), AttributeValue::S(pk)), ("SK".to_owned(), AttributeValue::S(sk))])
}

pub fn reason(code: &str) -> CancellationReason {
    CancellationReason { code: code.to_owned(), message: None, item: None }
}

#[cfg(test)]
mod tests {
    use dynoxide::actions::transact_write_items::TransactUpdate;

    use super::*;

    fn request() -> TransactWriteItemsRequest {
        let update = |pk: &str, sk: &str| TransactWriteItem {
            update: Some(TransactUpdate { key: key(pk.to_owned(), sk.to_owned()), ..TransactUpdate::default() }),
            ..TransactWriteItem::default()
        };
        TransactWriteItemsRequest {
            transact_items: vec![update("USER#ann", "CART"), update("PROD#mug", "META#mug#STOCK#00")],
            ..TransactWriteItemsRequest::default()
        }
    }

    fn keys(request: &TransactWriteItemsRequest) -> Vec<(String, String)> {
        request.transact_items.iter().filter_map(|action| Some(key_of(&action.update.as_ref()?.key))).collect()
    }

    fn pair(pk: &str, sk: &str) -> (String, String) {
        (pk.to_owned(), sk.to_owned())
    }

    #[test]
    fn a_design_changes_the_key_of_the_stock_and_nothing_else() {
        for (taken, stock, changed) in [
            (Taken::AsWritten, pair("PROD#mug", "META#mug#STOCK#00"), None),
            (Taken::SortKeyShard(7), pair("PROD#mug", "META#mug#STOCK#07"), Some(1)),
            (Taken::PartitionKeyCounter(7), pair("PROD#mug#07", "META#mug#STOCK#00"), Some(1)),
        ] {
            let mut request = request();

            assert_eq!(taken.rewrite(&mut request), changed);
            assert_eq!(keys(&request), [pair("USER#ann", "CART"), stock]);
        }
    }

    #[test]
    fn a_transaction_without_a_stock_action_is_not_changed() {
        let mut request = request();
        request.transact_items.truncate(1);

        assert_eq!(Taken::PartitionKeyCounter(7).rewrite(&mut request), None);
    }
}
