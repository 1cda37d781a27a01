//! Checks that every unit and every penny is where the invoices say. Shares no code with the shop: what it knows of the
//! table's items is written here and in `dump` a second time, on purpose.

use std::{collections::BTreeMap, fmt};

use super::{
    dump::{Dump, Order},
    invoices::Invoice,
    pounds, thousands,
};

/// Maximum contradictions shown for each check; one fault often causes thousands.
const SHOWN: usize = 5;

/// A claim, and what contradicts it.
#[derive(Debug)]
pub struct Check {
    claim: String,
    contradictions: Vec<String>,
}

/// The expected content of the table after the replay.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub invoices: &'a [Invoice],
    pub products: usize,
    /// The initial stock of each product.
    pub stock: i64,
}

impl Check {
    pub fn new(claim: impl Into<String>, contradictions: Vec<String>) -> Self {
        Self { claim: claim.into(), contradictions }
    }

    pub fn equal<T: PartialEq + fmt::Display>(claim: impl Into<String>, expected: T, found: T) -> Self {
        let differ = (expected != found).then(|| format!("expected {expected}, found {found}"));
        Self::new(claim, differ.into_iter().collect())
    }

    pub fn holds(&self) -> bool {
        self.contradictions.is_empty()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, contradictions } = self;
        if self.holds() {
            return write!(f, "ok      {claim}");
        }
        write!(f, "FAILED  {claim}")?;
        for contradiction in contradictions.iter().take(SHOWN) {
            write!(f, "\n          {contradiction}")?;
        }
        match contradictions.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n          and {} more", thousands(more)),
        }
    }
}

/// Audits the table.
pub fn audit(dump: &Dump, expected: &Expected<'_>) -> Vec<Check> {
    vec![
        stock_and_sales_add_up(dump, expected),
        units_are_those_of_the_invoices(dump, expected),
        every_order_is_confirmed(dump, expected),
        totals_are_those_of_the_invoices(dump, expected),
        every_order_is_the_sum_of_its_lines(dump),
        every_line_has_its_item(dump),
        every_order_is_in_its_customers_list(dump),
    ]
}

fn stock_and_sales_add_up(dump: &Dump, expected: &Expected<'_>) -> Check {
    let sold = units_sold(dump);
    let mut contradictions = Vec::new();
    if dump.stock.len() != expected.products {
        contradictions.push(format!("{} products, {} stock items", expected.products, dump.stock.len()));
    }
    for (product, available) in &dump.stock {
        let sold = sold.get(product.as_str()).copied().unwrap_or_default();
        if available + sold != expected.stock {
            contradictions.push(format!("{product}: {available} left and {sold} sold"));
        }
    }
    let unknown = sold.keys().filter(|product| !dump.stock.contains_key(**product));
    contradictions.extend(unknown.map(|product| format!("{product}: sold without a stock item")));
    let (products, units) = (thousands(expected.products), thousands(expected.stock));
    Check::new(format!("stock left and units sold are {units} for each of {products} products"), contradictions)
}

fn units_are_those_of_the_invoices(dump: &Dump, expected: &Expected<'_>) -> Check {
    let sold = units_sold(dump);
    let mut invoiced: BTreeMap<&str, i64> = BTreeMap::new();
    for line in expected.invoices.iter().flat_map(|invoice| &invoice.lines) {
        *invoiced.entry(&line.product).or_default() += line.units;
    }
    let units = |of: &BTreeMap<&str, i64>, product: &str| of.get(product).copied().unwrap_or_default();
    let mut products: Vec<&str> = sold.keys().chain(invoiced.keys()).copied().collect();
    products.sort_unstable();
    products.dedup();
    let wrong = products.into_iter().map(|product| (product, units(&invoiced, product), units(&sold, product)));
    let wrong = wrong.filter(|(_, invoiced, sold)| invoiced != sold);
    let contradictions = wrong.map(|(product, invoiced, sold)| format!("{product}: {invoiced} invoiced, {sold} sold"));
    let all = thousands(invoiced.values().sum::<i64>());
    Check::new(format!("the {all} units sold are those of the invoices, product by product"), contradictions.collect())
}

fn every_order_is_confirmed(dump: &Dump, expected: &Expected<'_>) -> Check {
    let count = expected.invoices.len();
    let others = dump.orders.iter().filter(|(_, order)| order.state != "confirmed");
    let mut contradictions: Vec<_> = others.map(|(id, order)| format!("order {id} is {}", order.state)).collect();
    if dump.orders.len() != count {
        contradictions.push(format!("{} orders", thousands(dump.orders.len())));
    }
    Check::new(format!("there are {} orders, all of them confirmed", thousands(count)), contradictions)
}

fn totals_are_those_of_the_invoices(dump: &Dump, expected: &Expected<'_>) -> Check {
    let invoiced: i64 = expected.invoices.iter().map(Invoice::total_pence).sum();
    let stored: i64 = dump.orders.values().map(|order| order.total_minor).sum();
    let foreign = dump.orders.iter().filter(|(_, order)| order.currency != "GBP");
    let mut contradictions: Vec<_> =
        foreign.map(|(id, order)| format!("order {id} is in {}", order.currency)).collect();
    if stored != invoiced {
        contradictions.push(format!("the orders are {}", pounds(stored)));
    }
    Check::new(format!("the orders' totals are the invoices' {}, to the penny", pounds(invoiced)), contradictions)
}

fn every_order_is_the_sum_of_its_lines(dump: &Dump) -> Check {
    let sum = |order: &Order| order.lines.iter().map(|line| line.units * line.price_minor).sum::<i64>();
    let wrong = dump.orders.iter().filter(|(_, order)| sum(order) != order.total_minor);
    let contradictions =
        wrong.map(|(id, order)| format!("order {id}: lines of {}, a total of {}", sum(order), order.total_minor));
    Check::new("every order's total is the sum of its lines", contradictions.collect())
}

fn every_line_has_its_item(dump: &Dump) -> Check {
    let mut contradictions = Vec::new();
    for (id, order) in &dump.orders {
        let items = dump.line_items.get(id);
        let missing = order.lines.iter().filter(|line| items.is_none_or(|items| !items.contains(&line.product)));
        contradictions.extend(missing.map(|line| format!("order {id}: no item for {}", line.product)));
    }
    let lines: usize = dump.orders.values().map(|order| order.lines.len()).sum();
    let items: usize = dump.line_items.values().map(|products| products.len()).sum();
    if items != lines {
        contradictions.push(format!("{} items", thousands(items)));
    }
    Check::new(
        format!("each of the {} order lines has its item, and there are no others", thousands(lines)),
        contradictions,
    )
}

fn every_order_is_in_its_customers_list(dump: &Dump) -> Check {
    let mut contradictions = Vec::new();
    for (id, order) in &dump.orders {
        match dump.listed.get(id).map(Vec::as_slice) {
            Some([customer]) if *customer == order.customer => {}
            Some(customers) => {
                contradictions.push(format!("order {id} of {}: listed by {customers:?}", order.customer))
            }
            None => contradictions.push(format!("order {id}: in no list")),
        }
    }
    let unknown = dump.listed.keys().filter(|id| !dump.orders.contains_key(*id));
    contradictions.extend(unknown.map(|id| format!("order {id}: listed, but not there")));
    let orders = thousands(dump.orders.len());
    Check::new(format!("each of the {orders} orders is in its customer's list, once"), contradictions)
}

/// Units by product. A cancelled order has released its units.
fn units_sold(dump: &Dump) -> BTreeMap<&str, i64> {
    let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
    let orders = dump.orders.values().filter(|order| order.state != "cancelled");
    for line in orders.flat_map(|order| &order.lines) {
        *sold.entry(&line.product).or_default() += line.units;
    }
    sold
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::replay::{dump::OrderLine, invoices::Line};

    fn invoices() -> Vec<Invoice> {
        let line = Line { product: "mug".to_owned(), units: 3, price_pence: 255 };
        vec![Invoice { number: "1".to_owned(), customer: "17850".to_owned(), lines: vec![line] }]
    }

    /// The table after that invoice, of a shop that started with 10 of each of two products.
    fn dump() -> Dump {
        let order = Order {
            customer: "ann".to_owned(),
            state: "confirmed".to_owned(),
            currency: "GBP".to_owned(),
            total_minor: 765,
            lines: vec![OrderLine { product: "mug".to_owned(), units: 3, price_minor: 255 }],
        };
        Dump {
            stock: BTreeMap::from([("mug".to_owned(), 7), ("jar".to_owned(), 10)]),
            orders: BTreeMap::from([("o1".to_owned(), order)]),
            line_items: BTreeMap::from([("o1".to_owned(), BTreeSet::from(["mug".to_owned()]))]),
            listed: BTreeMap::from([("o1".to_owned(), vec!["ann".to_owned()])]),
        }
    }

    /// The checks that fail after a fault, of the seven.
    fn broken_by(fault: impl FnOnce(&mut Dump)) -> Vec<usize> {
        let (mut dump, invoices) = (dump(), invoices());
        fault(&mut dump);
        let checks = audit(&dump, &Expected { invoices: &invoices, products: 2, stock: 10 });
        (0..checks.len()).filter(|&i| !checks[i].holds()).collect()
    }

    fn order(dump: &mut Dump) -> &mut Order {
        dump.orders.get_mut("o1").unwrap()
    }

    #[test]
    fn a_correct_table_passes_every_check() {
        assert!(broken_by(|_| {}).is_empty());
    }

    #[test]
    fn each_fault_is_found() {
        assert_eq!(broken_by(|d| *d.stock.get_mut("mug").unwrap() -= 1), [0]);
        assert_eq!(broken_by(|d| _ = d.stock.remove("jar")), [0]);
        assert_eq!(broken_by(|d| order(d).lines[0].units = 2), [0, 1, 4]);
        assert_eq!(broken_by(|d| order(d).lines[0].product = "jar".to_owned()), [0, 1, 5]);
        assert_eq!(broken_by(|d| order(d).state = "pending_payment".to_owned()), [2]);
        assert_eq!(broken_by(|d| order(d).total_minor += 1), [3, 4]);
        assert_eq!(broken_by(|d| order(d).currency = "USD".to_owned()), [3]);
        assert_eq!(broken_by(|d| d.line_items.clear()), [5]);
        assert_eq!(broken_by(|d| _ = d.line_items.insert("o2".to_owned(), BTreeSet::from(["mug".to_owned()]))), [5]);
        assert_eq!(broken_by(|d| d.listed.clear()), [6]);
        assert_eq!(broken_by(|d| d.listed.values_mut().for_each(|c| c.push("bob".to_owned()))), [6]);
        assert_eq!(broken_by(|d| _ = d.listed.insert("o2".to_owned(), vec!["ann".to_owned()])), [6]);
        assert_eq!(broken_by(|d| _ = d.orders.remove("o1")), [0, 1, 2, 3, 5, 6]);
    }

    #[test]
    fn a_failed_check_shows_a_few_contradictions() {
        let many = (1..=7).map(|i| format!("wrong {i}")).collect();

        let shown = Check::new("all is well", many).to_string();

        assert!(shown.starts_with("FAILED  all is well\n          wrong 1\n"));
        assert!(shown.ends_with("wrong 5\n          and 2 more"));
        assert_eq!(Check::equal("created", 1, 1).to_string(), "ok      created");
        assert!(!Check::equal("created", 1, 2).holds());
    }
}
