//! The prices of `data/prices.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;

const FILE: &str = include_str!("../../data/prices.toml");

macro_rules! items {
    ($($item:ident = $name:literal,)*) => {
        /// What AWS charges for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Item { $(#[serde(rename = $name)] $item,)* }

        impl Item {
            pub const ALL: &[Self] = &[$(Self::$item,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$item => $name,)* }
            }
        }
    };
}

items! {
    HttpApi = "http-api",
    LambdaRequest = "lambda-request",
    LambdaGbSecond = "lambda-gb-second",
    Rru = "rru",
    Wru = "wru",
    RcuHour = "rcu-hour",
    WcuHour = "wcu-hour",
    TableGb = "table-gb",
    RecoveryGb = "recovery-gb",
    RestoreGb = "restore-gb",
    ExportGb = "export-gb",
    ImportGb = "import-gb",
    S3Put = "s3-put",
    S3Get = "s3-get",
    S3Gb = "s3-gb",
    Logs = "logs",
    LogsGb = "logs-gb",
    Metric = "metric",
    AlarmMetric = "alarm-metric",
    Dashboard = "dashboard",
    InsightRule = "insight-rule",
    InsightEvent = "insight-event",
    Key = "key",
    KeyRequest = "key-request",
    Secret = "secret",
    SecretRequest = "secret-request",
    Mail = "mail",
    Trace = "trace",
    Schedule = "schedule",
    TransferGb = "transfer-gb",
}

/// What one of them costs, with the words of docs/costs.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub name: Item,
    /// US dollars for `per` units.
    pub usd: Decimal,
    pub per: u64,
    #[serde(rename = "for")]
    pub for_what: String,
    pub page: String,
    pub url: String,
    pub as_of: String,
    /// The line of the bill it is in.
    pub service: String,
}

/// All prices, in the order of the file.
#[derive(Clone, Debug)]
pub struct PriceList(Vec<Price>, BTreeMap<Item, usize>);

impl PriceList {
    /// The prices that this program was built with.
    pub fn built_in() -> Self {
        Self::parse(FILE).expect("the embedded file is read by a test")
    }

    fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            price: Vec<Price>,
        }

        let File { price } = toml::from_str(text).map_err(|error| error.to_string())?;
        let places: BTreeMap<_, _> = price.iter().enumerate().map(|(at, price)| (price.name, at)).collect();
        if let Some(missing) = Item::ALL.iter().find(|item| !places.contains_key(item)) {
            return Err(format!("there is no price of {}", missing.name()));
        }
        match price.len() > places.len() {
            true => Err("two prices have the same name".to_owned()),
            false => Ok(Self(price, places)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Price> {
        self.0.iter()
    }

    pub fn of(&self, item: Item) -> &Price {
        &self.0[self.1[&item]]
    }

    /// US dollars for a quantity.
    pub fn cost(&self, item: Item, quantity: Decimal) -> Decimal {
        let price = self.of(item);
        quantity.times(price.usd).over(Decimal::whole(price.per)).unwrap_or_default()
    }

    /// The row of docs/costs.md.
    pub fn row(price: &Price) -> String {
        let Price { name, usd, for_what, page, url, as_of, .. } = price;
        let usd = Self::written(*usd);
        format!("| `{}` | {usd} | {for_what} | [{page}]({url}) | {as_of} |", name.name())
    }

    /// With cents, unless it is a whole number of ten dollars or more: `0.125`, `1.00`, `160`.
    fn written(usd: Decimal) -> String {
        let exact = usd.to_string();
        let cents = exact.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        match (cents, usd < Decimal::whole(10)) {
            (0, false) => exact,
            (0..2, _) => usd.to_fixed(2),
            _ => exact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_prices_of_the_file() {
        let document = include_str!("../../../../docs/costs.md");

        let prices = PriceList::parse(FILE).unwrap();

        let rows: Vec<_> = prices.iter().map(PriceList::row).collect();
        let section = document.split("\n## Prices\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        let there: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
        assert!(there == rows, "the prices of docs/costs.md have to be\n{}", rows.join("\n"));
    }

    #[test]
    fn a_price_is_for_as_many_units_as_the_file_says() {
        let prices = PriceList::built_in();

        assert_eq!(prices.cost(Item::Rru, Decimal::whole(1_000_000)).to_string(), "0.125");
        assert_eq!(prices.cost(Item::LambdaGbSecond, Decimal::ONE).to_string(), "0.0000133334");
        assert_eq!(prices.cost(Item::Key, Decimal::ONE).to_string(), "1");
    }

    #[test]
    fn a_list_that_lacks_a_price_or_has_one_twice_is_refused() {
        let twice = format!("{FILE}\n[[price]]{}", FILE.split("[[price]]").nth(1).unwrap());
        let lacking =
            FILE.replacen("[[price]]", "[[price]]\n# ", 1).replacen("name = \"http-api\"", "name = \"rru\"", 1);

        assert_eq!(PriceList::parse(&twice).unwrap_err(), "two prices have the same name");
        assert_eq!(PriceList::parse(&lacking).unwrap_err(), "there is no price of http-api");
    }
}
