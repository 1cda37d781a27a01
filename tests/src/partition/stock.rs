//! Where a checkout takes its units from: the designs that are compared.
//!
//! The transaction is the product's own, `Table::order_place`, sent through the SDK. What a design changes is the key of
//! its stock action, and that is changed below the SDK, as the fault harness plants its bugs: so all designs have the
//! same transaction otherwise, and the product has no switch for them.

use std::collections::HashMap;

use dynoxide::{
    actions::transact_write_items::{TransactUpdate, TransactWriteItem, TransactWriteItemsRequest},
    errors::CancellationReason,
    types::{AttributeValue, Item},
};

use super::units::key_of;

/// The end of the sort key of a product's one stock item.
const ONE_ITEM: &str = "#STOCK#00";

/// A lot of a sale: its key's number, and its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lot {
    pub key: u16,
    pub number: u16,
}

/// Where the units of one checkout are taken from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Taken {
    /// The product's one stock item.
    #[default]
    OneItem,
    /// `META#<id>#STOCK#<nn>` under the product's partition key.
    SortKeyShard(u8),
    /// `PROD#<id>#<nn>` / `META#<id>#STOCK#00`.
    PartitionKeyCounter(u8),
    /// `SALE#<sale>#<key>` / `LOT#<number>`, each with its units.
    Lots(Vec<(Lot, i64)>),
}

pub fn sort_key_shard(sk: &str, shard: u8) -> String {
    let start = sk.strip_suffix(ONE_ITEM).unwrap_or(sk);
    format!("{start}#STOCK#{shard:02}")
}

pub fn partition_key_counter(pk: &str, counter: u8) -> String {
    format!("{pk}#{counter:02}")
}

pub fn lot_pk(sale: &str, key: u16) -> String {
    format!("SALE#{sale}#{key}")
}

pub fn lot_sk(number: u16) -> String {
    format!("LOT#{number:04}")
}

/// The actions of a transaction that stand for one that the product wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    pub at: usize,
    pub by: usize,
}

impl Taken {
    /// Changes the stock action. `None` if there is nothing to change.
    pub fn rewrite(&self, request: &mut TransactWriteItemsRequest, sale: &str) -> Option<Replaced> {
        let is_stock = |action: &TransactWriteItem| {
            action.update.as_ref().is_some_and(|update| key_of(&update.key).1.ends_with(ONE_ITEM))
        };
        let at = request.transact_items.iter().position(is_stock)?;
        let update = request.transact_items[at].update.as_mut()?;
        let (pk, sk) = key_of(&update.key);
        match self {
            Taken::OneItem => None,
            Taken::SortKeyShard(shard) => {
                update.key = key(pk, sort_key_shard(&sk, *shard));
                Some(Replaced { at, by: 1 })
            }
            Taken::PartitionKeyCounter(counter) => {
                update.key = key(partition_key_counter(&pk, *counter), sk);
                Some(Replaced { at, by: 1 })
            }
            Taken::Lots(lots) => {
                let table = update.table_name.clone();
                let actions: Vec<_> = lots.iter().map(|(lot, units)| lot_action(&table, sale, *lot, *units)).collect();
                let by = actions.len();
                request.transact_items.splice(at..=at, actions);
                Some(Replaced { at, by })
            }
        }
    }
}

fn key(pk: String, sk: String) -> Item {
    HashMap::from([("PK".to_owned(), AttributeValue::S(pk)), ("SK".to_owned(), AttributeValue::S(sk))])
}

fn lot_action(table: &str, sale: &str, lot: Lot, units: i64) -> TransactWriteItem {
    let number = |n: i64| AttributeValue::N(n.to_string());
    let update = TransactUpdate {
        table_name: table.to_owned(),
        key: key(lot_pk(sale, lot.key), lot_sk(lot.number)),
        update_expression: "ADD #left :taken".to_owned(),
        condition_expression: Some("#left >= :units".to_owned()),
        expression_attribute_names: Some(HashMap::from([("#left".to_owned(), "left".to_owned())])),
        expression_attribute_values: Some(HashMap::from([
            (":units".to_owned(), number(units)),
            (":taken".to_owned(), number(-units)),
        ])),
        // The product would read it as a stock item.
        return_values_on_condition_check_failure: None,
    };
    TransactWriteItem { update: Some(update), ..TransactWriteItem::default() }
}

impl Replaced {
    /// The reasons as the product expects them, one for each action that it wrote, and which of the actions that stand
    /// for the stock action failed their condition.
    pub fn restore(self, reasons: &mut Vec<CancellationReason>) -> Vec<usize> {
        let end = (self.at + self.by).min(reasons.len());
        let own: Vec<_> = reasons.splice(self.at..end, []).collect();
        let failed = own.iter().enumerate().filter(|(_, reason)| reason.code == "ConditionalCheckFailed");
        let failed: Vec<_> = failed.map(|(at, _)| at).collect();
        let worst = own.iter().max_by_key(|reason| match reason.code.as_str() {
            "ConditionalCheckFailed" => 2,
            "None" => 0,
            _ => 1,
        });
        reasons.insert(self.at, worst.cloned().unwrap_or_else(|| reason("None")));
        failed
    }
}

pub fn reason(code: &str) -> CancellationReason {
    CancellationReason { code: code.to_owned(), message: None, item: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> TransactWriteItemsRequest {
        let update = |pk: &str, sk: &str| TransactWriteItem {
            update: Some(TransactUpdate { key: key(pk.to_owned(), sk.to_owned()), ..TransactUpdate::default() }),
            ..TransactWriteItem::default()
        };
        TransactWriteItemsRequest {
            transact_items: vec![update("PROD#mug", "META#mug#STOCK#00"), update("USER#ann", "CART")],
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
        for (taken, stock) in [
            (Taken::OneItem, pair("PROD#mug", "META#mug#STOCK#00")),
            (Taken::SortKeyShard(7), pair("PROD#mug", "META#mug#STOCK#07")),
            (Taken::PartitionKeyCounter(7), pair("PROD#mug#07", "META#mug#STOCK#00")),
        ] {
            let mut request = request();
            taken.rewrite(&mut request, "s");

            assert_eq!(keys(&request), [stock, pair("USER#ann", "CART")]);
        }
    }

    #[test]
    fn units_of_several_lots_are_several_actions_whose_reasons_are_one_to_the_product() {
        let mut request = request();
        let lots = vec![(Lot { key: 2, number: 5 }, 2), (Lot { key: 3, number: 1 }, 1)];

        let replaced = Taken::Lots(lots).rewrite(&mut request, "s").unwrap();
        let mut reasons = vec![reason("None"), reason("ConditionalCheckFailed"), reason("TransactionConflict")];
        let failed = replaced.restore(&mut reasons);

        assert_eq!(
            keys(&request),
            [pair("SALE#s#2", "LOT#0005"), pair("SALE#s#3", "LOT#0001"), pair("USER#ann", "CART")]
        );
        assert_eq!(failed, [1]);
        let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
        assert_eq!(codes, ["ConditionalCheckFailed", "TransactionConflict"]);
    }
}
