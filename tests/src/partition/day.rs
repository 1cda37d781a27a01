//! An ordinary day: many products, some of them popular, and a new table on demand.

use std::{sync::Arc, time::Duration};

use domain::ProductId;
use tokio::task::JoinSet;

use super::{
    counts::{Counts, percentile},
    random::Random,
    service::Rules,
    shop::{Answered, Shop, line},
    wire::Jitter,
};

/// Lines of a cart, at most.
const LINES: usize = 3;

#[derive(Debug, Clone)]
pub struct Day {
    pub products: usize,
    /// Checkouts a second.
    pub rate: f64,
    pub seconds: u64,
    pub rules: Rules,
}

#[derive(Debug, Clone)]
pub struct DayOutcome {
    pub day: Day,
    pub checkouts: usize,
    pub placed: usize,
    pub confirmed: usize,
    /// Answered 503, and not tried again.
    pub busy: usize,
    pub attempts_p50: u32,
    pub attempts_p99: u32,
    pub time_p50: Duration,
    pub time_p99: Duration,
    pub counts: Counts,
    pub splits: usize,
}

struct Checkout {
    placed: bool,
    confirmed: bool,
    transactions: u32,
    took: Duration,
}

/// Opens a shop and lets its customers come.
pub async fn run(day: &Day) -> DayOutcome {
    let shop = Shop::open(day.rules.clone(), Jitter::AsWritten).await;
    let mut products = Vec::new();
    for at in 0..day.products {
        products.push(shop.product(&format!("product-{at}"), 1_999, 1_000_000).await);
    }
    let (shop, products) = (Arc::new(shop), Arc::new(products));
    shop.start();

    let mut random = Random::new(day.rules.seed ^ 0xDA7);
    let (mut running, mut arrival, mut customer) = (JoinSet::new(), Duration::ZERO, 0u64);
    loop {
        arrival += random.gap(day.rate);
        if arrival.as_secs() >= day.seconds {
            break;
        }
        customer += 1;
        let (shop, products) = (shop.clone(), products.clone());
        let random = Random::new(day.rules.seed.wrapping_mul(1_000_003) + customer);
        running.spawn(async move {
            tokio::time::sleep(arrival).await;
            checkout(&shop, &products, customer, random).await
        });
    }
    let done = running.join_all().await;

    let mut attempts: Vec<_> = done.iter().map(|checkout| checkout.transactions).filter(|sent| *sent > 0).collect();
    attempts.sort_unstable();
    let mut times: Vec<_> = done.iter().filter(|checkout| checkout.placed).map(|checkout| checkout.took).collect();
    times.sort_unstable();
    let placed = times.len();
    DayOutcome {
        checkouts: done.len(),
        placed,
        confirmed: done.iter().filter(|checkout| checkout.confirmed).count(),
        busy: done.len() - placed,
        attempts_p50: percentile(&attempts, 0.5).unwrap_or_default(),
        attempts_p99: percentile(&attempts, 0.99).unwrap_or_default(),
        time_p50: percentile(&times, 0.5).unwrap_or_default(),
        time_p99: percentile(&times, 0.99).unwrap_or_default(),
        counts: shop.service.counts(),
        splits: shop.service.splits(),
        day: day.clone(),
    }
}

async fn checkout(shop: &Shop, products: &[ProductId], customer: u64, mut random: Random) -> Checkout {
    let arrived = shop.service.now();
    let mut bought: Vec<&ProductId> = Vec::new();
    for _ in 0..=random.below(LINES) {
        let product = &products[popular(products.len(), &mut random)];
        if !bought.contains(&product) {
            bought.push(product);
        }
    }
    let lines: Vec<_> = bought.into_iter().map(|product| line(product, 1 + random.below(2) as i64, None)).collect();
    let customer = shop.customer(&format!("customer-{customer}"), &lines);
    let Ok(served) = shop.serve() else {
        return Checkout { placed: false, confirmed: false, transactions: 0, took: Duration::ZERO };
    };
    let answer = served.checks_out(&customer).await;
    let placed = served.outbox.placed();
    let took = placed.map_or_else(|| shop.service.now(), |at| shop.service.since_start(at)).saturating_sub(arrived);
    let confirmed = answer == Answered::Paid;
    Checkout { placed: placed.is_some(), confirmed, transactions: served.outbox.attempts(), took }
}

/// Popularity falls with the rank, to the power of 0.44: then the first of a thousand products is in 2 % of the lines and
/// in 4 % of the orders, as in a real shop's log of 25,900 invoices (UCI Online Retail).
fn popular(products: usize, random: &mut Random) -> usize {
    ((products as f64 * random.unit().powf(1.8)) as usize).min(products - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_thousand_products_is_in_two_of_a_hundred_lines() {
        let mut random = Random::new(5);
        let mut wanted = [0u32; 1_000];
        (0..100_000).for_each(|_| wanted[popular(1_000, &mut random)] += 1);

        assert!((2_000..2_300).contains(&wanted[0]), "{:?}", &wanted[..5]);
        assert!(wanted[0] > wanted[1] && wanted[1] > wanted[500] && wanted[999] > 0, "{:?}", &wanted[..5]);
    }
}
