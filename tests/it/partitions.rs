//! What a rush does to the table, in a model of DynamoDB's partitions; `cargo xtask partitions` runs the whole sizes.

use std::{sync::Arc, time::Duration};

use domain::ProductId;
use e2e::partition::{
    config_reads::{self, ConfigReads, Way},
    counts::Throttled,
    day::{self, Day},
    random::Random,
    report::{Size, sale_line, sale_of},
    sale::{self, Design, Sale, SaleOutcome},
    service::{Rules, StateDay},
    shop::{Answered, Customer, Placed, Shop, TABLE, line},
    simulate,
    wire::Jitter,
};
use table::{Cause, WarmThroughput, meter};

/// The rate of the documented sale, and fewer buyers.
fn rush(design: Design, buyers: usize, units: u32) -> SaleOutcome {
    let sale = Sale { buyers, units, ..sale_of(Size(1.0), design, 1) };
    ran(sale)
}

fn ran(sale: Sale) -> SaleOutcome {
    let outcome = simulate(move || async move { sale::run(&sale).await });
    println!("{}: {}", outcome.sale.design.name(), sale_line(&outcome));
    assert!(outcome.adds_up(), "{}", sale_line(&outcome));
    outcome
}

async fn shop_with_a_mug(rules: Rules) -> (Shop, ProductId) {
    let shop = Shop::open(rules, Jitter::AsWritten).await;
    let mug = shop.product("mug", 899, 10_000).await;
    (shop, mug)
}

fn customer(shop: &Shop, product: &ProductId, number: usize) -> Customer {
    shop.customer(&format!("ann-{number}"), &[line(product, 1, None)])
}

#[test]
fn the_model_charges_for_a_checkout_what_the_engine_reports() {
    simulate(|| async {
        let (shop, mug) = shop_with_a_mug(Rules::new(1)).await;
        let ann = customer(&shop, &mug, 1);
        shop.start();
        let served = shop.serve().unwrap();

        let ((), costs) = meter::measure(async {
            let order = shop.order(&served, &ann, &mug).await.unwrap();
            assert!(matches!(shop.place(&served, &order).await, Placed::Now));
            let paid = order.paid("pi_1", shop.now()).unwrap();
            served.context.table.order_transition(&paid, Cause::Answer, shop.now()).await.unwrap();
        })
        .await;

        let counts = shop.service.counts();
        println!("{costs:?} {counts:?}");
        assert_eq!((counts.read_units, counts.write_units), (costs.total.rru, costs.total.wru));
        assert!(costs.total.wru >= 12.0);
    });
}

#[test]
fn a_buyer_sends_the_products_own_checkout_and_the_sale_has_its_units_in_lots() {
    simulate(|| async {
        let (shop, mug) = shop_with_a_mug(Rules::new(1)).await;
        let sale = shop.sale(&mug, 500, 1, 100.0).await;
        let buyer = |name| shop.customer(name, &[line(&mug, 1, Some(&sale))]);
        let (ann, bob) = (buyer("ann"), buyer("bob"));
        shop.start();
        let served = shop.serve().unwrap();

        let bought = served.checks_out(&ann).await;
        let placed = served.outbox.placed().map(|at| shop.service.since_start(at));
        let refused = served.checks_out(&bob).await;

        assert_eq!((bought, refused), (Answered::Paid, Answered::OutOfStock));
        // The payment takes longer than everything else.
        assert!(placed.unwrap() * 2 < shop.service.now(), "{placed:?} {:?}", shop.service.now());
        assert_eq!(shop.orders(), [("confirmed".to_owned(), 1)].into());
        let (_, lots): (Vec<_>, Vec<_>) = sale.plan.lots(1, 0..1).unzip();
        assert_eq!(lots, [1]);
    });
}

#[test]
fn of_two_transactions_in_flight_on_one_item_the_second_is_cancelled_and_sent_again() {
    simulate(|| async {
        let (shop, mug) = shop_with_a_mug(Rules::new(1)).await;
        let (ann, bob) = (customer(&shop, &mug, 1), customer(&shop, &mug, 2));
        shop.start();
        let (of_ann, of_bob) = (shop.serve().unwrap(), shop.serve().unwrap());
        let first = shop.order(&of_ann, &ann, &mug).await.unwrap();
        let second = shop.order(&of_bob, &bob, &mug).await.unwrap();

        let placed = tokio::join!(shop.place(&of_ann, &first), shop.place(&of_bob, &second));

        assert!(matches!(placed, (Placed::Now, Placed::Now)), "{placed:?}");
        assert!(shop.service.counts().transaction_conflicts >= 1);
        let sent = [of_ann.outbox.attempts(), of_bob.outbox.attempts()];
        assert!(sent.contains(&1) && sent.iter().sum::<u32>() > 2, "{sent:?}");
    });
}

#[test]
fn a_plain_write_of_an_item_in_a_transaction_is_refused_and_sent_again_by_the_sdk() {
    simulate(|| async {
        let (shop, mug) = shop_with_a_mug(Rules::new(1)).await;
        let ann = customer(&shop, &mug, 1);
        shop.start();
        let (placing, paying) = (shop.serve().unwrap(), shop.serve().unwrap());
        let order = shop.order(&placing, &ann, &mug).await.unwrap();
        let paid = order.paid("pi_1", shop.now()).unwrap();

        let (placed, ()) = tokio::join!(shop.place(&placing, &order), async {
            // The transaction takes longer than this, and is answered after it.
            tokio::time::sleep(Duration::from_millis(1)).await;
            drop(paying.context.table.order_transition(&paid, Cause::Answer, shop.now()).await);
        });

        assert!(matches!(placed, Placed::Now));
        let counts = shop.service.counts();
        assert!(counts.write_conflicts >= 1, "{counts:?}");
        assert!(shop.orders().contains_key("confirmed"), "{:?}", shop.orders());
    });
}

/// Confirms so many orders within a second, and returns how many were, and why requests were throttled.
fn confirmations(state_day: StateDay) -> (usize, Vec<(Throttled, u64)>) {
    const ORDERS: usize = 2_500;
    simulate(move || async move {
        let warm = |index, writes_per_second| WarmThroughput {
            table: TABLE.to_owned(),
            index,
            reads_per_second: 40_000,
            writes_per_second,
        };
        let indexes = [warm(None, 40_000), warm(Some("due-index"), 16_000), warm(Some("order-state-index"), 16_000)];
        let rules = Rules { state_day, ..Rules::new(1) }.warm(&indexes);
        let (shop, mug) = shop_with_a_mug(rules).await;
        let mut orders = Vec::new();
        for number in 0..ORDERS {
            let ann = customer(&shop, &mug, number);
            let served = shop.serve().unwrap();
            let order = shop.order(&served, &ann, &mug).await.unwrap();
            assert!(matches!(shop.place(&served, &order).await, Placed::Now));
            orders.push(order);
        }
        shop.start();

        let shop = Arc::new(shop);
        let confirm = |(at, order): (usize, domain::Order)| {
            let shop = shop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(500 * at as u64)).await;
                let served = shop.serve().unwrap();
                let paid = order.paid("pi_1", shop.now()).unwrap();
                usize::from(served.context.table.order_transition(&paid, Cause::Answer, shop.now()).await.is_ok())
            })
        };
        let confirmed = futures::future::join_all(orders.into_iter().enumerate().map(confirm)).await;
        let confirmed = confirmed.into_iter().map(Result::unwrap).sum();
        (confirmed, shop.service.counts().throttled.into_iter().collect())
    })
}

#[test]
fn one_key_for_a_state_and_day_throttles_the_confirmations_of_the_table_and_eight_shards_do_not() {
    let (_, one) = confirmations(StateDay::OneKey);
    let (confirmed, sharded) = confirmations(StateDay::AsWritten);

    println!("one key: {one:?}; eight shards: {sharded:?}");
    let by_the_index = |(why, times): &(Throttled, u64)| (why.index() == Some("order-state-index")).then_some(*times);
    assert!(one.iter().filter_map(by_the_index).sum::<u64>() > 100, "{one:?}");
    assert_eq!((confirmed, sharded), (2_500, Vec::new()));
}

#[test]
fn lots_sell_every_unit_once_while_everybody_comes_at_the_same_time() {
    let outcome = rush(Design::Lots, 1_000, 400);

    assert_eq!((outcome.sold, outcome.held, outcome.left, outcome.oversold), (400, 0, 0, 0));
    assert_eq!((outcome.refused_too_early, outcome.gave_up, outcome.counts.throttled()), (0, 0, 0));
    // The last units are wanted by all: of 400 they are more than one of a hundred, of 5,000 they are not.
    assert!(outcome.attempts_p50 == 1 && outcome.attempts_p99 <= 6, "{}", sale_line(&outcome));
}

#[test]
fn one_stock_item_collapses_under_the_same_rush() {
    let outcome = rush(Design::OneItem, 400, 400);

    assert!(outcome.counts.transaction_conflicts > 2_000 && outcome.attempts_p50 >= 5, "{}", sale_line(&outcome));
    assert!(outcome.time_p99 > Duration::from_secs(3), "{}", sale_line(&outcome));
}

#[test]
fn the_shard_in_the_sort_key_is_found_by_its_throttled_partition() {
    let planted = |lots_in_sort_key| {
        ran(Sale { lots_in_sort_key, buyers: 1_000, units: 3_000, ..sale_of(Size(1.0), Design::Lots, 1) })
    };

    let (right, wrong) = (planted(false), planted(true));

    let throttled = |outcome: &SaleOutcome| outcome.counts.throttled.get(&Throttled::TableWrite).copied().unwrap_or(0);
    assert_eq!((right.sold, throttled(&right)), (1_000, 0));
    assert!(throttled(&wrong) > 200, "{}", sale_line(&wrong));
}

#[test]
fn retries_without_jitter_meet_again_and_are_found_by_their_conflicts() {
    let burst =
        |jitter| ran(Sale { jitter, at_once: true, buyers: 60, units: 60, ..sale_of(Size(1.0), Design::OneItem, 1) });

    let (with, without) = (burst(Jitter::AsWritten), burst(Jitter::None));

    assert!(without.counts.transaction_conflicts > with.counts.transaction_conflicts * 5 / 4, "see the runs above");
    assert!(without.time_p50 > 2 * with.time_p50, "see the runs above");
}

#[test]
fn a_remembered_configuration_is_read_less_than_once_an_environment_and_second() {
    let reads = ConfigReads { way: Way::Remembered, environments: 50, rate: 5_000.0, seconds: 5, seed: 1 };

    let outcome = simulate(move || async move { config_reads::run(reads).await });

    println!("{outcome:?}");
    assert!(outcome.reached() < 1.0 + 1.0 / 5.0, "{}", outcome.reached());
    assert_eq!((outcome.counts.throttled(), outcome.failed), (0, 0));
    assert!(outcome.asked > 24_000);
}

#[test]
fn an_ordinary_day_on_a_new_table_places_every_order() {
    let day = Day { products: 200, rate: 50.0, seconds: 5, rules: Rules::new(1) };

    let outcome = simulate(move || async move { day::run(&day).await });

    println!("{} checkouts, {} placed, {:?}", outcome.checkouts, outcome.placed, outcome.counts);
    assert_eq!((outcome.busy, outcome.placed, outcome.confirmed), (0, outcome.checkouts, outcome.checkouts));
    assert!(outcome.checkouts > 200);
}

#[test]
fn dice_of_one_seed_fall_the_same() {
    let drawn = |seed| {
        let mut random = Random::new(seed);
        (0..5).map(|_| random.below(1_000)).collect::<Vec<_>>()
    };

    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}
