//! The stored form of sales: the sale itself, and the copies of its configuration.

use domain::{DatedTerms, Incarnation, Invalid, LotPlan, Quantity, Sale, SaleProgress, SaleTerms, parse_currency};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError,
    keys::{self, Key},
    rows::{self, BY, Item, from_item, millis, s},
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaleRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    product: String,
    product_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incarnation: Option<u64>,
    unit_count: u32,
    key_count: u16,
    lot_count: u32,
    currency: String,
    terms: Vec<TermsRow>,
    progress: ProgressRow,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sold_out: bool,
    requested_by: String,
    created_at: i64,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct TermsRow {
    /// Since when they apply.
    #[serde(rename = "f")]
    active_from: i64,
    #[serde(rename = "p")]
    price: i64,
    #[serde(rename = "s")]
    starts_at: i64,
    #[serde(rename = "e")]
    ends_at: i64,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    limit: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProgressRow {
    Preparing { lots: u32 },
    Open {},
    Closing { keys: u16, units: u32 },
    Ended { units: u32 },
}

impl From<&DatedTerms> for TermsRow {
    fn from(DatedTerms { active_from, terms }: &DatedTerms) -> Self {
        Self {
            active_from: millis(*active_from),
            price: terms.price.amount_minor(),
            starts_at: millis(terms.starts_at),
            ends_at: millis(terms.ends_at),
            limit: terms.limit.map(|limit| limit.units().into()),
        }
    }
}

impl TermsRow {
    fn into_terms(self, currency: &str) -> Result<DatedTerms, Invalid> {
        let terms = SaleTerms {
            price: rows::money(self.price, currency)?,
            starts_at: rows::from_millis(self.starts_at)?,
            ends_at: rows::from_millis(self.ends_at)?,
            limit: self.limit.map(Quantity::new).transpose()?,
        };
        Ok(DatedTerms { active_from: rows::from_millis(self.active_from)?, terms })
    }
}

impl From<SaleProgress> for ProgressRow {
    fn from(progress: SaleProgress) -> Self {
        match progress {
            SaleProgress::Preparing { lots } => Self::Preparing { lots },
            SaleProgress::Open => Self::Open {},
            SaleProgress::Closing { keys, units } => Self::Closing { keys, units },
            SaleProgress::Ended { units } => Self::Ended { units },
        }
    }
}

impl From<ProgressRow> for SaleProgress {
    fn from(row: ProgressRow) -> Self {
        match row {
            ProgressRow::Preparing { lots } => Self::Preparing { lots },
            ProgressRow::Open {} => Self::Open,
            ProgressRow::Closing { keys, units } => Self::Closing { keys, units },
            ProgressRow::Ended { units } => Self::Ended { units },
        }
    }
}

/// The sale itself.
pub(crate) fn sale_item(sale: &Sale, by: &str) -> Item {
    let mut item = item_at(keys::sale(sale.id), sale);
    item.insert(BY.to_owned(), s(by));
    item
}

/// One copy of its configuration.
pub(crate) fn sale_config_item(copy: u8, sale: &Sale) -> Item {
    item_at(keys::sale_config(copy, sale.id), sale)
}

fn item_at(Key { pk, sk }: Key, sale: &Sale) -> Item {
    rows::to_item(SaleRow {
        pk,
        sk,
        product: sale.product.to_string(),
        product_name: sale.name.clone(),
        incarnation: sale.incarnation.map(Incarnation::as_u64),
        unit_count: sale.units,
        key_count: sale.plan.keys,
        lot_count: sale.plan.lots,
        currency: sale.latest_terms().price.currency().code().to_owned(),
        terms: sale.terms.iter().map(TermsRow::from).collect(),
        progress: sale.progress.into(),
        sold_out: sale.sold_out,
        requested_by: sale.by.to_string(),
        created_at: millis(sale.created_at),
        version: sale.version,
    })
}

/// A sale, from its item or from a copy of its configuration.
pub(crate) fn sale(item: Item) -> Result<Sale, StoreError> {
    let row: SaleRow = from_item(item)?;
    let id = row.sk.strip_prefix(keys::SALE_PREFIX).or_else(|| row.sk.strip_prefix(keys::SALE_CONFIG_PREFIX));
    let read = || -> Result<Sale, Invalid> {
        parse_currency(&row.currency)?;
        let terms: Vec<_> =
            row.terms.into_iter().map(|terms| terms.into_terms(&row.currency)).collect::<Result<_, _>>()?;
        if terms.is_empty() {
            return Err(Invalid::new("terms", "corrupt", "a sale without terms"));
        }
        Ok(Sale {
            id: id.unwrap_or_default().parse()?,
            product: row.product.parse()?,
            name: row.product_name,
            incarnation: row.incarnation.map(Incarnation::from),
            units: row.unit_count,
            plan: LotPlan { keys: row.key_count, lots: row.lot_count },
            terms,
            progress: row.progress.into(),
            sold_out: row.sold_out,
            by: row.requested_by.parse()?,
            created_at: rows::from_millis(row.created_at)?,
            version: row.version,
        })
    };
    read().map_err(|e| StoreError::corrupt(format!("{} / {}", row.pk, row.sk), e))
}

#[cfg(test)]
mod tests {
    use domain::{Currency, Money, SaleRequest, Timestamp};
    use jiff::SignedDuration;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_sale_reads_back_from_its_item_and_from_a_copy() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| now + SignedDuration::from_secs(seconds);
        let terms = SaleTerms {
            price: Money::price(500, Currency::USD).unwrap(),
            starts_at: at(10),
            ends_at: at(20),
            limit: Quantity::new(2).ok(),
        };
        let request = SaleRequest::parse("mug".parse().unwrap(), terms, 50, 100, now).unwrap();
        let created = Sale::new(
            Uuid::nil().into(),
            request,
            "Mug".to_owned(),
            Some(Incarnation::from(7)),
            "ann".parse().unwrap(),
            now,
        );
        for progress in [
            SaleProgress::Preparing { lots: 3 },
            SaleProgress::Open,
            SaleProgress::Closing { keys: 1, units: 5 },
            SaleProgress::Ended { units: 9 },
        ] {
            let written = Sale { progress, sold_out: true, ..created.clone() };

            assert_eq!(sale(sale_item(&written, "ann")).unwrap(), written);
            assert_eq!(sale(sale_config_item(3, &written)).unwrap(), written);
        }
    }
}
