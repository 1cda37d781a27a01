//! The same traffic in the design that this project replaces: a table for each entity, and a Scan for each list of
//! products by category or price, and of featured ones. The story of that design is
//! [here](https://iamanuragh.in/blog/2026-03-20-dynamodb-serverless-nosql-ecommerce).

use serde::Serialize;

use super::{
    bill::Bill,
    prices::{Item, PriceList},
    profile::Profile,
};
use crate::decimal::Decimal;

/// Routes that were Scans: lists by category and price, and featured products.
pub const SCANS: [&str; 2] = ["GET /products", "GET /products/featured"];

/// Bytes of one read unit.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>
const BYTES_A_UNIT: u64 = 4096;
/// A Scan returns at most so much at once.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html>
const BYTES_A_CALL: u64 = 1024 * 1024;

/// What one Scan of all products consumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Scan {
    /// As the story counts it: one unit for each item.
    pub rru_by_item: Decimal,
    /// As DynamoDB counts it: the bytes that are read, eventually consistent.
    pub rru_by_size: Decimal,
    /// Calls that one Scan takes.
    pub calls: Decimal,
}

impl Scan {
    pub fn of(products: Decimal, item_bytes: Decimal) -> Self {
        let bytes = products.times(item_bytes);
        let in_units = |size: u64| bytes.over(Decimal::whole(size)).unwrap_or_default();
        Self {
            rru_by_item: products,
            rru_by_size: in_units(BYTES_A_UNIT * 2).ceil(),
            calls: in_units(BYTES_A_CALL).ceil(),
        }
    }
}

/// A month of that design. Everything but the Scans is counted as it is here.
#[derive(Clone, Debug, Serialize)]
pub struct ScanBill {
    pub products: Decimal,
    pub item_bytes: Decimal,
    pub scan: Scan,
    pub usd_a_scan_by_item: Decimal,
    pub usd_a_scan_by_size: Decimal,
    pub scans: Vec<Scans>,
    /// The rest of the bill: this shop's without the reads of these routes.
    pub rest_usd: Decimal,
    pub total_usd_by_item: Decimal,
    pub total_usd_by_size: Decimal,
}

#[derive(Clone, Debug, Serialize)]
pub struct Scans {
    pub route: String,
    pub count: Decimal,
    pub usd_by_item: Decimal,
    pub usd_by_size: Decimal,
    /// What the same requests pay for reads here.
    pub usd_here: Decimal,
}

impl ScanBill {
    pub fn of(profile: &Profile, bill: &Bill, prices: &PriceList) -> Self {
        let scan = Scan::of(profile.scan_design.products, profile.scan_design.item_bytes);
        let reads = |rru: Decimal| prices.cost(Item::Rru, rru);
        let scans = SCANS.map(|route| {
            let count = profile.requests_of(route);
            let here = bill.lines.iter().find(|line| line.what == route).map(|line| line.usage.of(Item::Rru));
            Scans {
                route: route.to_owned(),
                count,
                usd_by_item: reads(scan.rru_by_item.times(count)),
                usd_by_size: reads(scan.rru_by_size.times(count)),
                usd_here: reads(here.unwrap_or_default()),
            }
        });
        let rest_usd = bill.total(prices) - scans.iter().map(|scans| scans.usd_here).sum();
        Self {
            products: profile.scan_design.products,
            item_bytes: profile.scan_design.item_bytes,
            scan,
            usd_a_scan_by_item: reads(scan.rru_by_item),
            usd_a_scan_by_size: reads(scan.rru_by_size),
            total_usd_by_item: rest_usd + scans.iter().map(|scans| scans.usd_by_item).sum(),
            total_usd_by_size: rest_usd + scans.iter().map(|scans| scans.usd_by_size).sum(),
            scans: scans.into(),
            rest_usd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::known::Known;

    fn scan_bill(text: &str) -> ScanBill {
        let (known, prices) = (Known::built_in(), PriceList::built_in());
        let profile = Profile::parse(&format!("name = \"a\"\n{text}"), &known).unwrap();
        ScanBill::of(&profile, &Bill::of(&profile, &known), &prices)
    }

    #[test]
    fn a_scan_of_five_million_items_is_counted_by_item_and_by_size() {
        let scan = Scan::of(Decimal::whole(5_000_000), Decimal::whole(1024));

        assert_eq!(scan.rru_by_item, Decimal::whole(5_000_000));
        assert_eq!(scan.rru_by_size, Decimal::whole(625_000));
        assert_eq!(scan.calls, Decimal::whole(4_883));
    }

    #[test]
    fn a_month_of_scans_is_the_scans_and_the_rest() {
        let bill = scan_bill("[requests]\n\"GET /products\" = 1_000\n\"GET /cart\" = 1_000");

        // 5,000,000 units at 0.125 dollars a million.
        assert_eq!(bill.usd_a_scan_by_item.to_string(), "0.625");
        assert_eq!(bill.scans[0].usd_by_item, Decimal::whole(625));
        assert_eq!(bill.scans[1].usd_by_item, Decimal::ZERO);
        assert_eq!(bill.total_usd_by_item, bill.rest_usd + Decimal::whole(625));
    }

    #[test]
    fn a_shop_without_lists_pays_the_same_in_both_designs() {
        let bill = scan_bill("[requests]\n\"GET /cart\" = 1_000");

        assert_eq!(bill.total_usd_by_size, bill.rest_usd);
    }
}
